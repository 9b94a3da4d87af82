"""Tell whether an input file has changed since an earlier run read it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fsspec.implementations.local import LocalFileSystem

from archive.stores import resolve


@dataclass(frozen=True)
class InputFile:
    """The identity of an input file, to detect changes.

    Attributes:
        bytes: its size.
        modified: when it was changed last, or what its store gives in place of that (ETag, generation).
        sha256: of a local posts file; None of shards, which are too large to be read for it, and of files on stores.
        lines: of a posts file whose every line is accounted for in the output, else None.
    """

    bytes: int
    modified: str
    sha256: str | None = None
    lines: int | None = None

    def is_same(self, now: InputFile) -> bool:
        """Whether the content is the same, by SHA-256 where there is one; a copy of a posts file is."""
        if self.sha256 and now.sha256:
            return self.sha256 == now.sha256
        return (self.bytes, self.modified) == (now.bytes, now.modified)


def fingerprint(address: str, hashed: bool, before: InputFile | None = None) -> InputFile:
    """Return the identity of a file as it is now.

    Args:
        address: of the file.
        hashed: whether its content is read for a SHA-256, where it is local.
        before: as an earlier run saw it; a file of the same size and time is not read again.
    """
    filesystem, path = resolve(address)
    info = filesystem.info(path)
    modified = next((str(info[name]) for name in ("ETag", "etag", "generation", "mtime", "LastModified", "created") if info.get(name)), "")
    now = InputFile(info["size"] or 0, modified)
    if not hashed or not isinstance(filesystem, LocalFileSystem):
        return now
    if before and before.sha256 and (before.bytes, before.modified) == (now.bytes, now.modified):
        return InputFile(now.bytes, modified, before.sha256)
    with filesystem.open(path, "rb") as file:
        return InputFile(now.bytes, modified, hashlib.file_digest(file, "sha256").hexdigest())
