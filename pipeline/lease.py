"""Keep two runs from writing into one output at the same time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from archive.stores import resolve
from pipeline.options import UsageError

LOCK = "run.lock"
HEARTBEAT_S, DEAD_AFTER_S = 15.0, 90.0
"""How often a run on a store renews its lease, and after how long a lease that is not renewed is taken over."""


@contextmanager
def lease(output: str) -> Iterator[None]:
    """Hold the output folder while the `with` block runs.

    On a file system the folder itself is locked, and the kernel unlocks it when the process ends, however it ends. On a
    store the lease is an object that is created only if it is not there (a conditional put), and renewed.

    Raises:
        UsageError: another run holds it, or the folder cannot be written.
    """
    try:
        filesystem, path = resolve(output)
        filesystem.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output} cannot be written: {error}") from error
    if isinstance(filesystem, LocalFileSystem):
        folder = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refused(output, "on this machine") from None
        except OSError:  # some network file systems have no locks
            pass
        try:
            yield
        finally:
            os.close(folder)
    else:
        with _object_lease(filesystem, f"{path.rstrip('/')}/{LOCK}", output):
            yield


@contextmanager
def _object_lease(filesystem: AbstractFileSystem, path: str, output: str) -> Iterator[None]:
    mine = uuid.uuid4().hex
    ended = threading.Event()

    def content() -> bytes:
        return json.dumps({"run": mine, "host": socket.gethostname(), "pid": os.getpid(), "heartbeat": time.time()}).encode()

    def renew() -> None:
        while not ended.wait(HEARTBEAT_S):
            with suppress(OSError):  # the next one may reach the store again
                filesystem.pipe_file(path, content())

    filesystem.invalidate_cache()
    _acquire(filesystem, path, content(), output)
    renewer = threading.Thread(target=renew, name="lease", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        ended.set()
        renewer.join()
        with suppress(OSError):
            filesystem.rm_file(path)


def _acquire(filesystem: AbstractFileSystem, path: str, content: bytes, output: str) -> None:
    """Create a lease by a conditional put. The lease of a dead run is removed before.

    Only who holds a lease on the dead lease removes it. Otherwise a slow run could remove the new lease of a quick one.

    Raises:
        UsageError: a living run holds it, or the store cannot be written.
    """
    if (dead := _dead_lease(filesystem, path, output)) is not None:
        remover = f"{path}.{hashlib.sha256(dead).hexdigest()[:16]}"
        _acquire(filesystem, remover, content, output)
        try:
            if filesystem.cat_file(path) == dead:
                filesystem.rm_file(path)
        except FileNotFoundError:
            pass  # another run removed it a moment ago
        finally:
            filesystem.rm_file(remover)
    try:
        filesystem.pipe_file(path, content, mode="create")
    except OSError as error:  # stores have several words for: it is there already
        if filesystem.exists(path):
            raise _refused(output, "elsewhere") from None
        raise UsageError(f"--output {output} cannot be written: {error}") from error


def _dead_lease(filesystem: AbstractFileSystem, path: str, output: str) -> bytes | None:
    """Return the lease of a dead run; None if there is no lease. Raises UsageError if the run that holds it lives."""
    try:
        content: bytes = filesystem.cat_file(path)
    except FileNotFoundError:
        return None
    if holder := _living_holder(content):
        raise _refused(output, holder)
    return content


def _living_holder(content: bytes) -> str | None:
    """Return who holds a lease, or None if that run is dead or the content is no lease."""
    try:
        held = json.loads(content)
        lives = time.time() - held["heartbeat"] < DEAD_AFTER_S
        return f"on {held['host']}, process {held['pid']}" if lives else None
    except (ValueError, KeyError, TypeError):
        return None


def _refused(output: str, where: str) -> UsageError:
    return UsageError(f"--output {output}: another run is writing there ({where}): wait until it has ended, or give another folder")
