"""Write a file that a reader sees whole or not at all."""

from __future__ import annotations

import os
import posixpath
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from fsspec.implementations.local import LocalFileSystem

from archive.stores import resolve

PARTIAL = ".partial"
"""How the hidden names of files end that are being written."""


@contextmanager
def whole_file(path: str) -> Iterator[IO[bytes]]:
    """A file to write that a reader sees whole or not at all.

    On a file system it is written under a hidden name, which readers of a folder skip, and renamed; an object store
    shows an object when it is closed, never before.
    """
    filesystem, name = resolve(path)
    folder, base = posixpath.split(name)
    is_local = isinstance(filesystem, LocalFileSystem)
    written = f"{folder}/.{base}.{uuid.uuid4().hex}{PARTIAL}" if is_local else name  # attempts may overlap on a cluster
    filesystem.makedirs(folder, exist_ok=True)
    try:
        with filesystem.open(written, "wb") as file:
            yield file
            if is_local:
                file.flush()
                os.fsync(file.fileno())
        if is_local:
            filesystem.mv(written, name)
    except BaseException:
        if is_local and filesystem.exists(written):
            filesystem.rm(written)
        raise
