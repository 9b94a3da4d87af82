"""Addresses of files: local paths, and URLs of any store that fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import fsspec
from fsspec.registry import known_implementations

Version = tuple[int, str]
"""Size of a file in bytes, and its ETag, generation or time of change. A file of another version may have another content."""

READ_AHEAD_BYTES = 2**22
"""Bytes that a store sends along with what is read of a file. By itself s3fs asks for 50 MiB, also for the first lines alone."""


def resolve(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of an address, and the path there.

    fsspec's own functions take `::` in a name for a chain of file systems, so a name that somebody else chose would
    decide what is opened; here it is part of the name.

    Raises:
        ValueError: there is no such store, or the package that reads it is not installed.
    """
    protocol = address.split("://", 1)[0] if "://" in address else "file"
    try:
        kind = fsspec.get_filesystem_class(protocol)
        return kind(**kind._get_kwargs_from_urls(address)), kind._strip_protocol(address)
    except (ImportError, OSError, TypeError, ValueError) as error:
        if protocol not in known_implementations:
            raise ValueError(f"{address!r} cannot be reached: {protocol}:// is no store; give a path, s3://, gs:// or hdfs://") from error
        reason = " ".join(str(error).split())[:200]  # what is missing for hdfs:// is told in a thousand characters
        raise ValueError(f"{address!r} cannot be reached: {reason}") from error


def not_found(option: str, pattern: str, what: str = "file") -> ValueError:
    """Return the error that a pattern of an option matches nothing; of a relative path it says where it begins."""
    is_relative = "://" not in pattern and not os.path.isabs(pattern)
    return ValueError(f"{option} matched no {what}: {pattern!r}" + (f" in {os.getcwd()}" if is_relative else "") + "; check the path")


def open_file(address: str) -> BinaryIO:
    """Open a file for reading. Raises ValueError as `resolve` does, OSError where it cannot be opened."""
    filesystem, path = resolve(address)
    return filesystem.open(path, "rb", block_size=READ_AHEAD_BYTES)


def read_range(address: str, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a part of a file, in blocks that end at multiples of `READ_AHEAD_BYTES`. Raises as `open_file`."""
    filesystem, path = resolve(address)
    while start < end:
        stop = min(start - start % READ_AHEAD_BYTES + READ_AHEAD_BYTES, end)
        if not (block := filesystem.cat_file(path, start=start, end=stop)):  # s3fs takes a second position for a version
            return
        start += len(block)
        yield block


def version_of(address: str) -> Version:
    """Return the version of a file. Raises ValueError as `resolve` does, OSError where the file is not there."""
    filesystem, path = resolve(address)
    return version_in(filesystem.info(path))


def version_in(info: Mapping[str, Any]) -> Version:
    """Return the version of a file from what its file system tells of it."""
    names = ("ETag", "etag", "generation", "mtime", "LastModified", "created")
    return info["size"] or 0, next((str(info[name]) for name in names if info.get(name)), "")
