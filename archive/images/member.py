"""Define what a shard holds: pictures, links to them, and problems."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """Hold the location of one picture's bytes, not the bytes themselves.

    Attributes:
        shard: address of the tar or zip file; in a folder, of the picture itself.
        offset: first byte of its data; in a zip file, first byte of its local header.
        size: bytes of its data as stored.
        packing: `stored`, `zip_stored`, `zip_deflated`, `zip_bzip2` or `zip_lzma`.
    """

    shard: str
    offset: int
    size: int
    packing: str = "stored"


@dataclass(frozen=True, slots=True)
class Link:
    """Hold the target of a hard or symbolic link.

    Attributes:
        target: name of a member of the same shard, without `.` and `..`. There may be no such member, or a link again.
    """

    target: str

    @classmethod
    def inside(cls, target: bytes, folder: str = "") -> Self | None:
        """Return a link from a folder of the shard, or None where the target is outside the shard or no text."""
        try:
            path = posixpath.normpath(posixpath.join(folder, target.decode()))
        except UnicodeDecodeError:
            return None
        leads_out = not target or target.startswith(b"/") or path.startswith(("/", "../")) or path in (".", "..")
        return None if leads_out else cls(path)


@dataclass(frozen=True, slots=True)
class End:
    """Hold where the last whole member of a tar ends; what is appended to the tar begins there.

    Attributes:
        position: byte in the file, a multiple of 512.
    """

    position: int


@dataclass(frozen=True, slots=True)
class ShardProblem:
    """Describe something in a shard that cannot be used.

    Attributes:
        shard: address of the shard.
        reason: one fixed code per cause.
        detail: name of the member, or the error message.
    """

    shard: str
    reason: str
    detail: str


SIDECARS = frozenset(
    f".{ending}"
    for ending in [
        "json",
        "jsonl",
        "txt",
        "md",
        "csv",
        "tsv",
        "parquet",
        "html",
        "xml",
        "log",
        "yaml",
        "yml",
        "sha256",
        "md5",
        "cls",
        "npy",
        "npz",
    ]
)
"""Endings of what tools put beside pictures. No key finds such members, so they cost nothing."""


def is_text(name: str) -> bool:
    """Return True if a name is valid Unicode. Bytes that are not UTF-8 appear in it as unpaired surrogates."""
    return name.isascii() or not any(0xD800 <= ord(character) < 0xE000 for character in name)


def is_litter(name: str) -> bool:
    """Return True for what macOS adds to archives: resource forks and the settings of a folder. They are no pictures."""
    if "._" not in name and "__MACOSX" not in name and ".DS_Store" not in name:
        return False
    folder, _, base = name.rpartition("/")
    return base.startswith("._") or base == ".DS_Store" or "__MACOSX" in folder.split("/")
