"""Index tar shards in WebDataset format: member `123.jpg` has the key `123.jpg`."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from archive.images.member import Member, ShardProblem, is_text
from archive.stores import open_file

LONGEST_HEADERS_BYTES = 2**20
"""Limit for all headers of one member together, including long names and pax headers. They are read into memory."""

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\x28\xb5": "zstd", b"\xfd7": "xz"}


def index(shard: str) -> Iterator[tuple[str, Member] | ShardProblem]:
    """Yield the members of a tar shard, header by header.

    The iteration of `tarfile` is not used, since it stops silently at a damaged header.
    """
    with open_file(shard) as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(tarfile.BLOCKSIZE)
        magic = COMPRESSED.get(start[:2])
        if magic and start[257:262] != b"ustar":  # a tar file begins with a name, which may be BZ1.jpg
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
            yield ShardProblem(shard, "truncated" if position else "damaged", f"no end mark at byte {position}")
            return
        except Exception as error:  # on damaged bytes tarfile raises many kinds of errors
            yield ShardProblem(shard, "damaged", f"no readable header at byte {position}: {error}")
            return
        if not is_text(info.name):
            yield ShardProblem(shard, "undecodable_name", info.name)
        elif info.issparse():
            yield ShardProblem(shard, "unsupported_packing", info.name)
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
    """Return the member whose headers begin at `position`, and the position of the next member's headers.

    Raises:
        tarfile.HeaderError: the bytes are not a header. Its subclass EOFHeaderError marks the regular end of the archive.
    """
    file.seek(position)
    archive = _Headers(file)
    info = tarfile.TarInfo.fromtarfile(archive)  # type: ignore[arg-type]
    if info.size < 0:
        raise tarfile.HeaderError(f"member of {info.size} bytes")  # type: ignore[attr-defined]
    return info, archive.offset


class _Headers:
    """Provide the attributes of a TarFile that `TarInfo.fromtarfile` reads, without a list of members."""

    def __init__(self, file: BinaryIO) -> None:
        self.fileobj = _ShortFile(file)
        self.offset = 0
        self.encoding, self.errors = "utf-8", "surrogateescape"
        self.pax_headers: dict[str, str] = {}
        self.tarinfo = tarfile.TarInfo


class _ShortFile:
    """Wrap a file and limit the bytes read from it, whatever sizes its headers claim."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = LONGEST_HEADERS_BYTES
        self.tell = file.tell
        self.seek = file.seek

    def read(self, size: int) -> bytes:
        self._left -= size
        if size < 0 or self._left < 0:
            raise tarfile.HeaderError(f"headers of more than {LONGEST_HEADERS_BYTES} bytes")  # type: ignore[attr-defined]
        return self._file.read(size)
