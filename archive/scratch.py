"""A folder for the temporary files of this process. A process that was killed leaves its folder; the next one removes it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

PREFIX = "postner-scratch-"


def shared_temporary_folder() -> Path:
    """Return the folder for temporary files of all processes, such as `/tmp`."""
    folder = Path(tempfile.gettempdir())
    return folder.parent if folder.name.startswith(PREFIX) else folder


@cache
def scratch_folder() -> Path:
    """Return the folder of this process, which is removed at its end; those that killed processes left are removed now."""
    for path in shared_temporary_folder().glob(f"{PREFIX}*"):
        _remove_if_left(path)
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared_temporary_folder()))
        if _lock(path) is not None and path.exists():  # else another process took it for one that was left
            atexit.register(shutil.rmtree, path, ignore_errors=True)
            return path


@contextmanager
def temporary_files_in_scratch() -> Iterator[None]:
    """Put what libraries create by `tempfile` into the scratch folder while the `with` block runs."""
    before = tempfile.tempdir
    tempfile.tempdir = str(scratch_folder())
    try:
        yield
    finally:
        tempfile.tempdir = before


def _lock(path: Path) -> int | None:
    """Lock a folder of this user until the process ends, however it ends. Return its descriptor, None where that is not possible."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(folder).st_uid == os.getuid():
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return folder
    except OSError:
        pass
    os.close(folder)
    return None


def _remove_if_left(path: Path) -> None:
    folder = _lock(path)
    if folder is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(folder)
