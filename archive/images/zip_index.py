"""Index zip shards from their directory, and from local headers where the directory is lost."""

from __future__ import annotations

import posixpath
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from zlib import crc32

from archive.images.member import Link, Member, ShardProblem
from archive.images.window import Window
from archive.images.zip import LOCAL_HEADER, PACKINGS, read

_ENTRY = struct.Struct("<4sxB2x2H8x2I3H4x2I")
_END = struct.Struct("<4s4x2H2I2x")
_END_64 = struct.Struct("<4s36x2Q")
_LOCATOR_64_BYTES = 20
_TAIL_BYTES = 2**17
"""Bytes at the end that are searched for the end record: its comment has up to 64 KiB, and garbage may follow."""

_ENCRYPTED, _SIZES_BEHIND, _UTF8 = 0x1, 0x8, 0x800
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_UNKNOWN = 0xFFFFFFFF
_LONGEST_TARGET_BYTES = 4096


@dataclass(slots=True)
class _Entry:
    """Hold what a header says of a member; `name` is None where its bytes cannot be read for sure."""

    name: str | None
    raw_name: bytes
    method: int
    flags: int
    size: int
    offset: int
    mode: int = 0


class _DamagedError(ValueError):
    """The bytes are not what the format wants."""


def has_directory(window: Window) -> bool:
    """Return True if a zip's directory is at the end of the file, whatever stands before the zip."""
    return _directory(window) is not None


def index(shard: str, window: Window, file: BinaryIO) -> Iterator[tuple[str, Member | Link] | ShardProblem]:
    """Yield the members of a zip shard. `file` is what the window reads; the targets of links are read from it."""
    place = _directory(window)
    position = 0
    try:
        if place is None:
            raise _DamagedError("no directory at the end")
        position, end, shift = place
        while position < end:
            entry, position = _next_entry(window, position, shift)
            yield from _member(shard, entry, window.size, file)
    except _DamagedError as error:
        reason = "damaged" if place else "truncated"
        yield ShardProblem(shard, reason, f"{error}: members are read from their own headers, from byte 0 on")
        yield from _local_members(shard, window, file)


def _directory(window: Window) -> tuple[int, int, int] | None:
    """Return where the directory begins and ends, and how many bytes stand before the zip; None if there is none."""
    base = max(0, window.size - _TAIL_BYTES)
    tail = window.read(base, window.size - base)
    found = len(tail)
    while (found := tail.rfind(b"PK\x05\x06", 0, found)) >= 0:
        if found + _END.size > len(tail):
            continue
        _, _, entries, size, offset = _END.unpack_from(tail, found)
        end = base + found
        if _UNKNOWN in (size, offset) or entries == 0xFFFF:
            end, size, offset = _zip64(window, end) or (end, size, offset)
        begin = end - size
        is_directory = entries == size == 0 or window.read(begin, 4) == b"PK\x01\x02" if begin >= 0 else False
        if is_directory and begin >= offset:
            return begin, end, begin - offset
    return None


def _zip64(window: Window, end: int) -> tuple[int, int, int] | None:
    """Return end, size and offset of a directory with 64-bit values, from the records before the end record."""
    locator = window.read(max(0, end - _LOCATOR_64_BYTES), 4)
    if locator != b"PK\x06\x07":
        return None
    place = end - _LOCATOR_64_BYTES - _END_64.size  # extensions, which nobody writes, would make the record longer
    record = window.read(place, _END_64.size) if place >= 0 else b""
    if record[:4] != b"PK\x06\x06":
        return None
    _, size, offset = _END_64.unpack_from(record)
    return place, size, offset


def _next_entry(window: Window, position: int, shift: int) -> tuple[_Entry, int]:
    raw = window.read(position, _ENTRY.size)
    if len(raw) < _ENTRY.size or raw[:4] != b"PK\x01\x02":
        raise _DamagedError(f"no entry of the directory at byte {position}")
    _, system, flags, method, size, unpacked, name_bytes, extra_bytes, comment_bytes, attributes, offset = _ENTRY.unpack(raw)
    texts = window.read(position + _ENTRY.size, name_bytes + extra_bytes)
    raw_name, extra = texts[:name_bytes], _extra_fields(texts[name_bytes:])
    wide = extra.get(_ZIP64, b"")  # 64-bit values of those fields alone that are full, in this order
    values = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
    _, size, offset = (next(values, value) if value == _UNKNOWN else value for value in (unpacked, size, offset))
    mode = attributes >> 16 if system in (3, 19) else 0  # Unix and macOS
    entry = _Entry(_name(raw_name, flags, extra), raw_name, method, flags, size, offset + shift, mode)
    return entry, position + _ENTRY.size + name_bytes + extra_bytes + comment_bytes


def _local_members(shard: str, window: Window, file: BinaryIO) -> Iterator[tuple[str, Member | Link] | ShardProblem]:
    position = 0
    while (raw := window.read(position, LOCAL_HEADER.size))[:4] == b"PK\x03\x04" and len(raw) == LOCAL_HEADER.size:
        _, flags, method, size, _, name_bytes, extra_bytes = LOCAL_HEADER.unpack(raw)
        texts = window.read(position + LOCAL_HEADER.size, name_bytes + extra_bytes)
        raw_name, extra = texts[:name_bytes], _extra_fields(texts[name_bytes:])
        if size == _UNKNOWN and len(extra.get(_ZIP64, b"")) >= 16:
            size = struct.unpack_from("<8xQ", extra[_ZIP64])[0]
        if flags & _SIZES_BEHIND and not size:
            detail = f"the header at byte {position} tells no size: what follows is lost"
            yield ShardProblem(shard, "truncated", detail)
            return
        following = position + LOCAL_HEADER.size + name_bytes + extra_bytes + size
        if following > window.size:
            yield ShardProblem(shard, "truncated", raw_name.decode(errors="backslashreplace"))
        yield from _member(shard, _Entry(_name(raw_name, flags, extra), raw_name, method, flags, size, position), window.size, file)
        position = following
        if flags & _SIZES_BEHIND:  # a checksum and the sizes again, with or without a signature
            position += 16 if window.read(position, 4) == b"PK\x07\x08" else 12


def _member(shard: str, entry: _Entry, file_size: int, file: BinaryIO) -> Iterator[tuple[str, Member | Link] | ShardProblem]:
    detail = entry.raw_name.decode(errors="backslashreplace")
    if entry.name is None:
        yield ShardProblem(shard, "undecodable_name", detail)
    elif entry.name.endswith("/"):
        return
    elif not entry.name or not 0 <= entry.offset < file_size:
        yield ShardProblem(shard, "damaged", detail)
    elif entry.method not in PACKINGS or entry.flags & _ENCRYPTED:
        yield ShardProblem(shard, "unsupported_packing", detail)
    else:
        member = Member(shard, entry.offset, entry.size, PACKINGS[entry.method])
        if not stat.S_ISLNK(entry.mode):
            yield entry.name, member
            return
        target = read(file, member, _LONGEST_TARGET_BYTES) if entry.size <= _LONGEST_TARGET_BYTES else b""
        link = Link.inside(target, posixpath.dirname(entry.name)) if isinstance(target, bytes) else None
        yield (entry.name, link) if link else ShardProblem(shard, "not_a_file", detail)


def _extra_fields(raw: bytes) -> dict[int, bytes]:
    fields = {}
    while len(raw) >= 4:
        kind, size = struct.unpack_from("<2H", raw)
        fields[kind] = raw[4 : 4 + size]
        raw = raw[4 + size :]
    return fields


def _name(raw: bytes, flags: int, extra: dict[int, bytes]) -> str | None:
    """Return the name of a member with `/` between folders, or None if its bytes cannot be read for sure."""
    path = extra.get(_UNICODE_PATH, b"")
    if len(path) > 5 and path[0] == 1 and struct.unpack_from("<I", path, 1)[0] == crc32(raw):
        raw = path[5:]
    try:
        name = raw.decode()  # Info-ZIP on Linux writes UTF-8 without setting the flag
    except UnicodeDecodeError:
        return None
    if "/" not in name:  # old .NET and PowerShell
        name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name
