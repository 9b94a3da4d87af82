"""Read the members of a tar one after the other, from a stream."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from archive.posts.packing.stream import DamagedError, Stream

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_NAME_BYTES = 2**20
"""Limit for the extended header of a member, which is read into memory."""


def is_tar(head: bytes) -> bool:
    """Return whether a file begins with the header of a tar."""
    return len(head) >= _BLOCK and head[:1] != b"\0" and _header(head[:_BLOCK]) is not None


def tar_members(stream: Stream) -> Iterator[tuple[str, Stream]]:
    """Yield name and content of the regular files. A content can be read until the next one is asked for.

    Members behind the end mark are read too, as `cat a.tar b.tar` leaves them. A damaged header is skipped.

    Raises:
        DamagedError: after all readable members, if a header is damaged or the tar is cut short.
    """
    damage, long_name = "", ""
    while block := stream.read(_BLOCK):
        if block == _ZEROS:
            continue
        if len(block) < _BLOCK:
            damage = damage or "the tar is cut short"
            break
        header = _header(block)
        if header is None:
            damage = damage or "a header of the tar is damaged"
            continue
        padding = -header.size % _BLOCK
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
            if header.size > _MAX_NAME_BYTES:
                damage, long_name = damage or "a name in the tar is too long", ""
                header_bytes = b""
                for _ in stream.take(header.size):
                    pass
            else:
                header_bytes = stream.read(header.size)
            stream.read(padding)
            long_name = _long_name(header_bytes, header.type) or long_name
            continue
        left = [header.size]
        content = Stream(_content(stream, left))
        if header.isreg() and header.type != tarfile.GNUTYPE_SPARSE:
            yield long_name or header.name, content
        if header.type not in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
            long_name = ""
        for _ in content:
            pass
        if left[0] or len(stream.read(padding)) < padding:
            damage = damage or "the tar is cut short"
    if damage:
        raise DamagedError(damage)


def _header(block: bytes) -> tarfile.TarInfo | None:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return None
    return header if header.size >= 0 else None


def _long_name(raw: bytes, kind: bytes) -> str:
    if kind == tarfile.GNUTYPE_LONGNAME:
        return raw.rstrip(b"\0").decode("utf-8", "surrogateescape")
    while raw:  # records of pax: length in decimal, space, key=value, newline
        size, _, rest = raw.partition(b" ")
        if not size.isdigit() or len(size) > 7 or not 0 < int(size) <= len(raw):
            return ""
        key, _, value = rest[: int(size) - len(size) - 2].partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "surrogateescape")
        raw = raw[int(size) :]
    return ""


def _content(stream: Stream, left: list[int]) -> Iterator[bytes]:
    while left[0] and (chunk := stream.next_chunk(left[0])):
        left[0] -= len(chunk)
        yield chunk
    if left[0]:
        raise DamagedError("the tar is cut short")
