"""Read the members of a zip one after the other."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from archive.posts.packing.stream import CHUNK_BYTES, DamagedError, Stream

_FED_BYTES = {zipfile.ZIP_BZIP2: 2**12, zipfile.ZIP_LZMA: 2**12}
"""Input bytes per call of decompressors that have no limit for their output."""

_ENCRYPTED = 1
_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError, RuntimeError, MemoryError)


def zip_members(file: BinaryIO) -> Iterator[tuple[str, Stream]]:
    """Yield name and content of the files in a zip.

    A damaged member raises DamagedError when its content is read; the members after it are not affected.

    Raises:
        DamagedError: the list of the members cannot be read.
        OSError: the file cannot be read.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _ERRORS as error:
        raise DamagedError(str(error)) from error
    with archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, Stream(_content(archive, member))


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.flag_bits & _ENCRYPTED:
        raise DamagedError("it is encrypted")
    try:
        with archive.open(member) as content:
            while chunk := content.read(_FED_BYTES.get(member.compress_type, CHUNK_BYTES)):
                for start in range(0, len(chunk), CHUNK_BYTES):
                    yield chunk[start : start + CHUNK_BYTES]
    except OSError as error:
        if error.errno is not None:  # the bzip2 decompressor's own errors have no number
            raise
        raise DamagedError(str(error)) from error
    except _ERRORS as error:
        raise DamagedError(str(error)) from error
