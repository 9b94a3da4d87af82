"""Tar shards in WebDataset form: member `123.jpg` is key `123.jpg`."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

import fsspec

from models.shards.member import Member, ShardProblem, is_text

LONGEST_HEADER_BYTES = 2**20
"""Of a long name or pax header, which is read into memory."""

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\x28\xb5": "zstd", b"\xfd7": "xz"}

_EXTENDED = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


def index(shard: str) -> Iterator[tuple[str, Member] | ShardProblem]:
    """Read headers one by one. `tarfile`'s own iteration stops at a damaged header without a word, so it is not used."""
    with fsspec.open(shard, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        magic = COMPRESSED.get(file.read(2))
        if magic:
            yield ShardProblem(shard, "compressed_shard", f"{magic}: ranged reads need plain tar, unpack it first")
            return
        yield from _members(shard, file, size)


def _members(shard: str, file: BinaryIO, size: int) -> Iterator[tuple[str, Member] | ShardProblem]:
    position = 0
    while True:
        try:
            info, following = _header(file, position)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            return
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            if position == 0:
                yield ShardProblem(shard, "damaged", "empty file")
            return
        except Exception as error:  # tarfile raises whatever its parsing of hostile bytes leads to
            yield ShardProblem(shard, "damaged", f"no readable header at byte {position}: {error}")
            return
        if not is_text(info.name):
            yield ShardProblem(shard, "undecodable_name", info.name)
        elif info.isreg():
            if info.offset_data + info.size > size:
                yield ShardProblem(shard, "truncated", info.name)
            yield info.name.removeprefix("./"), Member(shard, info.offset_data, info.size)
        elif not info.isdir():
            yield ShardProblem(shard, "not_a_file", info.name)
        if following <= position or following > size:
            return
        position = following


def _header(file: BinaryIO, position: int) -> tuple[tarfile.TarInfo, int]:
    """The member whose headers begin at `position`, and where the next one's begin.

    Raises:
        tarfile.HeaderError: the bytes are no header; of its kinds, EOFHeaderError is the archive's proper end.
    """
    file.seek(position)
    plain = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    if plain.size < 0 or (plain.type in _EXTENDED and plain.size > LONGEST_HEADER_BYTES):
        raise tarfile.HeaderError(f"header of {plain.size} bytes")  # type: ignore[attr-defined]
    file.seek(position)
    archive = _Headers(file)
    info = tarfile.TarInfo.fromtarfile(archive)  # type: ignore[arg-type]
    if info.size < 0 or info.sparse is not None:
        raise tarfile.HeaderError(f"member of {info.size} bytes")  # type: ignore[attr-defined]
    return info, archive.offset


class _Headers:
    """As much of a TarFile as `TarInfo.fromtarfile` reads: it keeps no list of members."""

    def __init__(self, file: BinaryIO) -> None:
        self.fileobj = file
        self.offset = 0
        self.encoding, self.errors = "utf-8", "surrogateescape"
        self.pax_headers: dict[str, str] = {}
        self.tarinfo = tarfile.TarInfo
