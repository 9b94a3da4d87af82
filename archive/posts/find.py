"""Find the posts files that a path, a glob or a folder names."""

from __future__ import annotations

import glob
import re

from archive.stores import found_files, resolve

POSTS_FILE = re.compile(r"/[^/.][^/]*\.jsonl(\.(gz|bz2|zst))?$", re.IGNORECASE)
"""What counts as a posts file in a folder."""


def find_posts(pattern: str, option: str) -> list[str]:
    """Addresses of the posts files that a path, glob or folder names, sorted.

    Raises:
        ValueError: it names nothing; the message tells the option and the value.
    """
    filesystem, path = resolve(pattern)
    if filesystem.isdir(path):
        names = [name for name in filesystem.glob(f"{glob.escape(path.rstrip('/'))}/*") if POSTS_FILE.search(name)]
        if not names:
            raise ValueError(f"{option} {pattern!r} is a folder without a .jsonl file, compressed or not")
    else:
        names = filesystem.glob(glob.escape(path) if filesystem.exists(path) else path)
    return found_files(filesystem, names, pattern, option)
