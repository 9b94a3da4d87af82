"""Read pictures that a caller hands over: paths, bytes, or open Pillow images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from PIL import Image

from archive.images.decode import from_pillow
from archive.images.image_error import ImageError
from models.vision.images.decode_process import DecodeProcess
from models.vision.images.preprocess import Preprocess, PreprocessedImage

ImageSource = str | os.PathLike | bytes | Image.Image
"""A path on this machine, the bytes of a file, or an open image."""


class ImageReader:
    """Reads and decodes pictures in parallel, files in processes of their own, so that no picture harms the caller.

    Args:
        preprocess: bytes of a picture to what the networks read.
        threads: pictures that are decoded at a time.
    """

    def __init__(self, preprocess: Preprocess, threads: int) -> None:
        self._preprocess = preprocess
        self._threads = ThreadPoolExecutor(threads, "decode")
        self._processes: SimpleQueue[DecodeProcess] = SimpleQueue()
        for _ in range(threads):
            self._processes.put(DecodeProcess(preprocess))

    def read(self, sources: Sequence[ImageSource]) -> Iterator[PreprocessedImage | ImageError]:
        """Yield each picture as the networks read it, in order, or why it cannot be used."""
        return self._threads.map(self._read, sources)

    def _read(self, source: ImageSource) -> PreprocessedImage | ImageError:
        try:
            if isinstance(source, Image.Image):
                return self._preprocess.scale(from_pillow(source, self._preprocess.limits))
            data = source if isinstance(source, bytes) else self._content(Path(source))
        except ImageError as error:
            return error
        process = self._processes.get()
        try:
            return process.decode(data)
        finally:
            self._processes.put(process)

    def _content(self, path: Path) -> bytes:
        """Return the content of a file, cut behind the limit. Raises ImageError."""
        try:
            if not path.is_file():
                raise ImageError("missing", "no_such_file")
            with path.open("rb") as file:
                return file.read(self._preprocess.limits.max_image_bytes + 1)
        except (OSError, ValueError) as error:  # a path may hold a zero byte
            raise ImageError("missing", "unreadable_file") from error
