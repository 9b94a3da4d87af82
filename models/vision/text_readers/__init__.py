"""Text readers (OCR). Add one: a file like `rapid.py`, and a line in `TEXT_READERS`."""

from __future__ import annotations

from pkgutil import resolve_name

from models.vision.text_readers.text_reader import TextReader, TextReaderError

TEXT_READERS: dict[str, str] = {"rapidocr": "models.vision.text_readers.rapid:RapidReader"}
"""Class of each engine by the name that `--ocr` takes. It is imported only when it is loaded."""


def load_text_reader(name: str, device: str, threads: int) -> TextReader:
    """Load the text reader of a name.

    Args:
        name: a key of `TEXT_READERS`.
        device: of the networks; the CPU where onnxruntime has no CUDA.
        threads: pictures at a time on a CPU; the texts do not depend on it.

    Raises:
        TextReaderError: there is no such reader, or it cannot be loaded.
    """
    if name not in TEXT_READERS:
        raise TextReaderError(f"--ocr {name!r} is none of {', '.join(TEXT_READERS)}; 'none' runs without")
    reader: TextReader = resolve_name(TEXT_READERS[name])(device, threads)
    return reader
