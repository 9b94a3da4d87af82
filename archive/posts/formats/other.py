"""Tell files that hold no posts, such as pictures, by their first bytes."""

from __future__ import annotations

import re

_KINDS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    (
        "image",
        re.compile(
            rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP"
            rb"|....ftyp(?:avif|avis|heic|heix|mif1)",
            re.DOTALL,
        ),
    ),
    ("video", re.compile(rb"....ftyp|....moov|\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\x01\xba", re.DOTALL)),
    ("audio", re.compile(rb"ID3|OggS|fLaC|RIFF.{4}WAVE", re.DOTALL)),
    ("Arrow IPC", re.compile(rb"ARROW1\0\0|\xff\xff\xff\xff..\0\0\x10\0\0\0", re.DOTALL)),
    ("PDF", re.compile(rb"%PDF-")),
    ("HTML", re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|!--|html|head|body|\?xml|svg|script|div)", re.IGNORECASE)),
    ("database", re.compile(rb"SQLite format 3\0")),
)


def kind_of_other(head: bytes) -> str | None:
    """Return the kind of a file that holds no posts, None if its first bytes do not tell that."""
    return next((kind for kind, pattern in _KINDS if pattern.match(head)), None)
