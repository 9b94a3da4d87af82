"""Addresses of files: local paths, and URLs of any store that fsspec knows."""

from __future__ import annotations

from typing import BinaryIO

import fsspec


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
    except (ImportError, TypeError, ValueError) as error:
        raise ValueError(f"{address!r} cannot be reached: {error}") from error


def open_file(address: str) -> BinaryIO:
    """Open a file for reading. Raises ValueError as `resolve` does, OSError where it cannot be opened."""
    filesystem, path = resolve(address)
    return filesystem.open(path, "rb")


def found_files(filesystem: fsspec.AbstractFileSystem, paths: list[str], pattern: str, option: str) -> list[str]:
    """Addresses of files that were found for a pattern, sorted; folders are left out.

    Raises:
        ValueError: one is no regular file, or its name is no text; or there is none. Tells the option and the name.
    """
    found = []
    for path in sorted(paths):
        if filesystem.isdir(path):
            continue
        if not filesystem.isfile(path):
            raise ValueError(f"{option} {pattern!r}: {path!r} is no regular file: give files that are there and can be read again")
        if any(0xD800 <= ord(character) < 0xE000 for character in path):
            raise ValueError(f"{option} {pattern!r}: the name {path!r} is not UTF-8: rename the file")
        found.append(filesystem.unstrip_protocol(path) if "://" in pattern else path)
    if not found:
        raise ValueError(f"{option} matched no file: {pattern!r}")
    return found
