"""Normalise names of members, and list the terms under which the index finds them.

A term is an end of a path, folded (NFC, case-folded) and without the extension. So one look-up finds every spelling;
which of the found names fits a key best is decided on the names themselves, in `match`.
"""

from __future__ import annotations

import hashlib
import unicodedata

DEPTH = 3
"""Longest end of a path, in parts, that has a term of its own. The whole name has one too."""

LONGEST_NAME = 4096
"""Characters. Unicode's normalisation takes quadratic time on hostile names."""

LONGEST_EXTENSION = 5

PICTURES = frozenset(
    ["jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "bmp", "dib", "tif", "tiff", "mpo", "avif", "heic", "heif", "jxl"]
)
"""Extensions that a key may have where the member's differs: tools convert pictures and keep the stem."""


def normalised(path: str) -> str:
    """Return a path in NFC, with slashes only."""
    if path.isascii():
        return path.replace("\\", "/")
    return unicodedata.normalize("NFC", path).replace("\\", "/")


def folded(path: str) -> str:
    """Return a path by which two are compared where case does not count."""
    if path.isascii():
        return path.lower().replace("\\", "/")
    return unicodedata.normalize("NFC", normalised(path).casefold())


def parts_of(path: str) -> list[str]:
    """Return the folders and the base name of a normalised path, without empty parts and `.`."""
    return [part for part in path.split("/") if part and part != "."]


def stem(base: str) -> str:
    """Return a base name without its extension: a letter and at most four letters or digits after the last dot."""
    head, _, extension = base.rpartition(".")
    is_extension = len(extension) <= LONGEST_EXTENSION and extension.isalnum() and extension[0].isalpha()
    return head if head and is_extension else base


def picture_stem(base: str) -> str | None:
    """Return a base name without the extension of a picture format; None if it has no such extension."""
    head, _, extension = base.rpartition(".")
    return head if head and extension.lower() in PICTURES else None


def terms_of(name: str) -> list[str]:
    """Return the terms of a member: its whole name, marked by a slash, and the ends of it. None if it has no parts."""
    parts = parts_of(folded(name))
    if not parts:
        return []
    parts[-1] = stem(parts[-1])
    return terms(parts)


def terms(parts: list[str]) -> list[str]:
    """Return the terms of a folded path in parts: the whole one, marked by a slash, then its ends, longest first."""
    ends = parts[-1:]
    for depth in range(2, min(DEPTH, len(parts)) + 1):
        ends.insert(0, f"{parts[-depth]}/{ends[0]}")
    return ["/" + (ends[0] if len(parts) <= DEPTH else "/".join(parts)), *ends]


def digest(term: str) -> bytes:
    """Return the 8 bytes under which the index sorts a term. Different terms may share them: names are compared too."""
    return hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
