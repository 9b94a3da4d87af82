"""Keep compiled networks in the user's cache folder, so that the next run starts fast."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from pathlib import Path

DIGEST_BYTES = 32
FOLDER = "postner"

NOWHERE = Path(os.devnull) / FOLDER
"""A folder that cannot be made: nothing is kept."""

MAX_BYTES = 2**30
"""Files of the cache, all together: the ones that were used longest ago are removed."""


def cache_folder() -> Path:
    """Return our folder among the user's caches: `$XDG_CACHE_HOME/postner`, by default `~/.cache/postner`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / FOLDER
    try:
        return Path("~/.cache").expanduser() / FOLDER
    except RuntimeError:  # a user without a home
        return NOWHERE


class CompiledCache:
    """Files of bytes by key. It never fails: what cannot be read, or is damaged, is made again.

    Several processes may use one folder. A file appears whole or not at all, and begins with the SHA-256 of the rest.

    Args:
        folder: made if it is not there.

    Attributes:
        folder: of the files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder()

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None."""
        return self.read(self.path(key))

    def put(self, key: str, data: bytes) -> None:
        """Keep the bytes of a key, if the folder can be written."""
        self.write(self.path(key), data)

    def path(self, key: str) -> Path:
        """Return the file of a key on a machine of this kind."""
        import torch  # takes a second, and `read` and `write` do without it

        machine = f"{platform.machine()} {sorted(torch.cpu.get_capabilities().items())}"
        return self.file(f"{key} {machine}")

    def file(self, key: str) -> Path:
        """Return the file of a key, the same one on all kinds of machines."""
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.bin"

    def read(self, path: Path) -> bytes | None:
        """Return the bytes of a file of the cache, None if it is not there or damaged."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        digest, data = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def write(self, path: Path, data: bytes) -> None:
        """Write a file of the cache, if the folder can be written."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                try:
                    file.write(hashlib.sha256(data).digest() + data)
                    file.close()
                    os.replace(file.name, path)
                except BaseException:
                    os.unlink(file.name)
                    raise
            self._remove_oldest()
        except OSError:
            return

    def _remove_oldest(self) -> None:
        files = sorted(((file.stat().st_mtime, file) for file in self.folder.glob("*.bin")), reverse=True)
        total = 0
        for _, file in files:
            total += file.stat().st_size
            if total > MAX_BYTES:
                file.unlink(missing_ok=True)
