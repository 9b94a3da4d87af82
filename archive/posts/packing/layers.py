"""Take the packings off a file, as its first bytes tell them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from archive.posts.packing.compressed import unpacked
from archive.posts.packing.stream import DamagedError, Stream
from archive.posts.packing.tar import is_tar, tar_members
from archive.posts.packing.zip import zip_members

HEAD_BYTES = 2**10
MAX_LAYERS = 5
"""Limit for packings inside each other. A tar.gz of .bz2 files has three."""

_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_SPOOLED_IN_MEMORY_BYTES = 2**20


class Content(NamedTuple):
    """One unpacked file.

    Attributes:
        source: address of the file; of a member, with its name behind a slash.
        stream: the unpacked content, or the damage that hides it.
        packings: what it was packed in, outermost first.
        is_member: whether it is inside a tar or zip.
    """

    source: str
    stream: Stream | DamagedError
    packings: tuple[str, ...] = ()
    is_member: bool = False


def packing_of(head: bytes) -> str | None:
    """Return the packing of a file with these first bytes, None for a plain file."""
    for magic, packing in _MAGIC.items():
        if head.startswith(magic):
            return packing
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bzip2"
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:  # a skippable frame, as pzstd writes first
        return "zstd"
    return "tar" if is_tar(head) else None


def contents(stream: Stream, source: str, packings: tuple[str, ...] = (), is_member: bool = False) -> Iterator[Content]:
    """Yield each unpacked file in a file, in order. A content can be read until the next one is asked for.

    Hidden members and folders of a tar or zip are left out, and `__MACOSX`.
    """
    packing = packing_of(stream.peek(HEAD_BYTES))
    if packing is None:
        yield Content(source, stream, packings, is_member)
        return
    if len(packings) == MAX_LAYERS:
        yield Content(source, DamagedError(f"it is packed more than {MAX_LAYERS} times"), packings, is_member)
        return
    packings = (*packings, packing)
    if packing not in ("tar", "zip"):
        yield from contents(Stream(unpacked(stream, packing)), source, packings, is_member)
        return
    try:
        for name, member in tar_members(stream) if packing == "tar" else zip_members(seekable(stream)):
            if not _is_hidden(name):
                yield from contents(member, f"{source}/{name.removeprefix('./')}", packings, True)
    except DamagedError as error:
        yield Content(source, error, packings, is_member)


def seekable(stream: Stream) -> BinaryIO:
    """Return a file with the content of a stream, for formats that are read from their end.

    Raises:
        DamagedError: the stream is damaged.
    """
    if stream.file and stream.file.seekable():
        stream.file.seek(0)
        return stream.file
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY_BYTES))  # noqa: SIM115 - closed with its last reader
    free_bytes = shutil.disk_usage(tempfile.gettempdir()).free // 2
    for chunk in stream:
        free_bytes -= len(chunk)
        if free_bytes < 0:
            raise DamagedError("unpacked, it is larger than half of the free disk space")
        file.write(chunk)
    file.seek(0)
    return file


def _is_hidden(name: str) -> bool:
    return any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in name.split("/"))
