"""Read the texts of unlabelled posts, one at a time, from JSONL, TSV or plain text files."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import fsspec
import msgspec
import zstandard


def read_texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file. Its extension gives the format and the compression (`.gz`, `.bz2`, `.zst`, or none).

    `.jsonl`: objects with `text`. `.tsv`: the last column. Any other: one text per line. Lines without text are skipped.

    Raises:
        ValueError: a line of `.jsonl` is not an object with a string `text`, or the file is missing or damaged. The
            message names the file.
    """
    kind = [suffix for suffix in path.suffixes if suffix in (".jsonl", ".tsv")]
    for number, line in enumerate(_lines(path), start=1):
        text = line.strip("\r\n")
        if kind == [".jsonl"] and text:
            try:
                text = msgspec.json.decode(text, type=_Post).text
            except msgspec.MsgspecError as error:
                raise ValueError(f"{path}:{number}: not a JSON object with a string 'text': {error}") from error
        elif kind == [".tsv"]:
            text = text.rpartition("\t")[2]
        if text.strip():
            yield text


def sample_texts(paths: list[Path], count: int, seed: int) -> list[str]:
    """Return `count` different texts sampled from all files, in random order.

    Raises:
        ValueError: as `read_texts`, or there are fewer texts.
    """
    texts = sorted({text for path in paths for text in read_texts(path)})
    if len(texts) < count:
        raise ValueError(f"{count} unlabelled posts are asked for, but {', '.join(map(str, paths))} have {len(texts)}")
    return random.Random(seed).sample(texts, count)


def _lines(path: Path) -> Iterator[str]:
    try:
        with fsspec.open(str(path), "rt", compression="infer", encoding="utf-8", errors="replace", newline="\n") as lines:
            yield from lines
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


class _Post(msgspec.Struct):
    text: str
