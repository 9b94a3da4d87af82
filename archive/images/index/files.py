"""Keep files of an index on a store, and have local copies of them, since only local files can be mapped."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from archive.images.index.lookup import Index
from archive.images.index.segment import CHECK_BYTES, IndexDamagedError, Segment, open_segment, seal, verify
from archive.scratch import scratch_folder, shared_temporary_folder
from archive.stores import open_file, resolve
from archive.whole_file import whole_file

SUFFIX = ".index"
"""Of the files of an index."""

COPY_LIFETIME_S = 3 * 86_400
"""Age at which local copies of files of a store are removed."""


@dataclass(frozen=True)
class IndexFile:
    """A file of an index as it was written.

    Attributes:
        address: of the file.
        check: its CRC-32; another file at the same address has another.
    """

    address: str
    check: int


def hashed(address: str) -> str:
    """Return a name for what belongs to an address."""
    return hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def shard_file(folder: str, shard: str) -> str:
    """Return the address of the file of one shard in an index."""
    return f"{folder}/{hashed(shard)}{SUFFIX}"


def whole_file_of(folder: str, owner: str) -> str:
    """Return the address of the file with all shards of an output."""
    return f"{folder}/all-{hashed(owner)}{SUFFIX}"


def publish(path: Path, address: str) -> IndexFile:
    """Copy an unsealed local file to its place, whole or not at all."""
    with path.open("rb") as source, whole_file(address) as target:
        check = seal(source, target)  # type: ignore[arg-type]
    return IndexFile(address, check)


def load(address: str) -> Segment | None:
    """Return a segment whose bytes were checked; None if there is no file, or not a whole one of this version."""
    filesystem, path = resolve(address)
    if not isinstance(filesystem, LocalFileSystem):
        return _load_copy(address)
    try:
        with open(path, "rb") as file:
            verify(file)
        return open_segment(path)
    except (IndexDamagedError, OSError):
        return None


@functools.lru_cache(maxsize=2)
def open_index(file: IndexFile) -> Index:
    """Return the index of a file, opened once per process and, on a store, copied once per machine.

    Raises:
        IndexDamagedError: the file is another one by now, or damaged.
    """
    filesystem, path = resolve(file.address)
    segment = open_segment(path) if isinstance(filesystem, LocalFileSystem) else _load_copy(file.address, file.check)
    if segment is None or segment.check != file.check:
        raise IndexDamagedError(f"{file.address} was replaced or damaged during the run: repeat the command with --resume")
    return Index(segment)


def _load_copy(address: str, check: int | None = None) -> Segment | None:
    """Return a segment of a store from its local copy, which the runs and processes of this user share.

    Args:
        address: of the file on the store.
        check: CRC-32 of the wanted file; without, of the one that is there, which its last bytes tell.
    """
    folder = _own_folder()
    copy = folder / hashed(address)
    if copy.exists():
        check = check if check is not None else _check_there(address)
        kept = load(str(copy))
        if kept is not None and kept.check == check:
            return kept
    partial = copy.with_name(f"{copy.name}.{uuid.uuid4().hex}")
    try:
        with open_file(address) as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target, 2**22)
        partial.replace(copy)
    except FileNotFoundError:
        return None
    finally:
        partial.unlink(missing_ok=True)
        _remove_old(folder)
    return load(str(copy))


def _check_there(address: str) -> int | None:
    filesystem, path = resolve(address)
    try:
        return int.from_bytes(filesystem.tail(path, CHECK_BYTES), "little")
    except OSError:
        return None


def _remove_old(folder: Path) -> None:
    """Remove copies that no run has fetched for days; a process that has one open keeps it."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > COPY_LIFETIME_S:
                path.unlink()


def _own_folder() -> Path:
    """Return this user's folder for copies; no other user can write there."""
    folder = shared_temporary_folder() / f"postner-index-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or folder.is_symlink() or about.st_mode & 0o077:
        return scratch_folder()
    return folder
