"""Index zip shards, and read their stored or deflated members."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from archive.images.image_error import ImageError
from archive.images.member import Member, ShardProblem
from archive.stores import open_file

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_PACKINGS = {zipfile.ZIP_STORED: "zip_stored", zipfile.ZIP_DEFLATED: "zip_deflated"}
_ENCRYPTED = 0x1


def index(shard: str) -> Iterator[tuple[str, Member] | ShardProblem]:
    """Yield the members of a zip shard from its central directory."""
    with open_file(shard) as file:
        try:
            entries = zipfile.ZipFile(file).infolist()
        except OSError:
            raise
        except Exception as error:  # on damaged bytes zipfile raises many kinds of errors
            yield ShardProblem(shard, "damaged", f"no readable directory: {error}")
            return
    for entry in entries:
        if entry.filename.endswith("/"):
            continue
        packing = _PACKINGS.get(entry.compress_type)
        if packing is None or entry.flag_bits & _ENCRYPTED:
            yield ShardProblem(shard, "unsupported_packing", entry.filename)
        elif entry.header_offset < 0 or not entry.filename:
            yield ShardProblem(shard, "damaged", entry.filename)
        else:
            yield entry.filename.removeprefix("./"), Member(shard, entry.header_offset, entry.compress_size, packing)


def read(file: BinaryIO, member: Member, max_bytes: int) -> bytes | ImageError:
    """Return the unpacked bytes of one member, or why there are none. No more than `max_bytes` + 1 are unpacked."""
    file.seek(member.offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        return ImageError("corrupt", "truncated")
    signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    if signature != b"PK\x03\x04":
        return ImageError("corrupt", "damaged")
    file.seek(name_bytes + extra_bytes, 1)
    data = file.read(member.size)
    if len(data) < member.size:
        return ImageError("corrupt", "truncated")
    if member.packing == "zip_stored":
        return data
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(data, max_bytes + 1)
    except zlib.error:
        return ImageError("corrupt", "damaged")
    if len(unpacked) > max_bytes:
        return ImageError("too_large", "too_many_bytes")
    return unpacked if unpacker.eof else ImageError("corrupt", "truncated")
