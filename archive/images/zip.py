"""Read members of zip shards: stored, deflated, bzip2 and lzma."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from typing import BinaryIO

from archive.images.image_error import ImageError
from archive.images.member import Member

LOCAL_HEADER = struct.Struct("<4s2x2H8x2I2H")
"""Fields of a local header: signature, flags, method, sizes packed and unpacked, lengths of name and extra."""

PACKINGS = {0: "zip_stored", 8: "zip_deflated", 12: "zip_bzip2", 14: "zip_lzma"}
"""The packings that are read, by method."""


def read(file: BinaryIO, member: Member, max_bytes: int) -> bytes | ImageError:
    """Return the unpacked bytes of one member, or why there are none. No more than `max_bytes` + 1 are unpacked."""
    file.seek(member.offset)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size:
        return ImageError("corrupt", "truncated")
    signature, *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
    if signature != b"PK\x03\x04":
        return ImageError("corrupt", "damaged")
    file.seek(name_bytes + extra_bytes, 1)
    data = file.read(member.size)
    if len(data) < member.size:
        return ImageError("corrupt", "truncated")
    if member.packing == "zip_stored":
        return data
    try:
        unpacked, is_whole = _unpack(data, member.packing, max_bytes + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error):
        return ImageError("corrupt", "damaged")
    if len(unpacked) > max_bytes:
        return ImageError("too_large", "too_many_bytes")
    return unpacked if is_whole else ImageError("corrupt", "truncated")


def _unpack(data: bytes, packing: str, max_bytes: int) -> tuple[bytes, bool]:
    """Return at most `max_bytes` of the unpacked data, and whether they are whole."""
    if packing == "zip_deflated":
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return inflater.decompress(data, max_bytes), inflater.eof
    if packing == "zip_bzip2":
        bunzip = bz2.BZ2Decompressor()
        return bunzip.decompress(data, max_bytes), bunzip.eof
    return _unpack_lzma(data, max_bytes)


def _unpack_lzma(data: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Unpack lzma as zip has it: version, length and properties, then a raw stream that may lack an end mark."""
    (length,) = struct.unpack_from("<2xH", data)
    literal, dictionary_bytes = struct.unpack_from("<BI", data, 4)
    if literal >= 9 * 5 * 5 or length != 5:
        raise ValueError("no properties of lzma")
    rest, lc = divmod(literal, 9)
    pb, lp = divmod(rest, 5)
    # A dictionary larger than what may be unpacked is never filled: the claim would only cost memory.
    size = max(4096, min(dictionary_bytes, max_bytes))
    settings = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}
    unlzma = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings])
    unpacked = unlzma.decompress(data[4 + length :], max_bytes)
    return unpacked, unlzma.eof or unlzma.needs_input
