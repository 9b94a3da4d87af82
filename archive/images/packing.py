"""Tell from its first bytes how a shard is packed."""

from __future__ import annotations

import bz2
import lzma
import zlib
from dataclasses import dataclass

import zstandard

from archive.images.tar_header import BLOCK, is_header

HEAD_BYTES = BLOCK
COMPRESSED_HEAD_BYTES = 2**20
"""Enough to unpack the first block of a compressed tar: bzip2 packs up to 900 kB at once."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00PK\x03\x04")


@dataclass(frozen=True, slots=True)
class Compression:
    """Hold a compression's name, its first bytes and the command that removes it."""

    name: str
    magic: bytes
    cure: str


_COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", "gunzip"),
    Compression("bzip2", b"BZh", "bunzip2"),
    Compression("zstd", b"\x28\xb5\x2f\xfd", "unzstd"),
    Compression("xz", b"\xfd7zXZ\0", "unxz"),
)


def is_tar(head: bytes) -> bool:
    """Return True for the first block of a tar: a header, or zeros where it has no members."""
    return is_header(head[:BLOCK]) or head[:BLOCK] == bytes(BLOCK)


def is_zip(head: bytes) -> bool:
    """Return True if a file begins as a zip does."""
    return head.startswith(_ZIP)


def compression(head: bytes) -> Compression | None:
    """Return how a file is compressed. A tar begins with a name, which may look like it: see `is_tar` first."""
    return next((one for one in _COMPRESSIONS if head.startswith(one.magic)), None)


def holds_tar(head: bytes, how: Compression) -> bool:
    """Return True if the first bytes of a compressed file are those of a tar."""
    try:
        return is_tar(_unpacked(head, how))
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError):
        return False


def _unpacked(head: bytes, how: Compression) -> bytes:
    if how.name == "gzip":
        return zlib.decompressobj(wbits=31).decompress(head, BLOCK)
    if how.name == "bzip2":
        return bz2.BZ2Decompressor().decompress(head, BLOCK)
    if how.name == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**30).decompress(head, BLOCK)
    with zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(head) as reader:
        return reader.read(BLOCK)
