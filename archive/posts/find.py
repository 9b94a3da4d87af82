"""Find the posts files of a path, a glob or a folder."""

from __future__ import annotations

import glob
import re

from archive.stores import found_files, resolve

POSTS_FILE = re.compile(r"/[^/.][^/]*\.jsonl(\.(gz|bz2|zst))?$", re.IGNORECASE)
"""Pattern of the posts files in a folder."""


def find_posts(pattern: str, option: str) -> list[str]:
    """Return the addresses of the posts files of a path, glob or folder, sorted.

    Raises:
        ValueError: nothing matches; the message names the option and the value.
    """
    filesystem, path = resolve(pattern)
    if filesystem.isdir(path):
        names = [name for name in filesystem.glob(f"{glob.escape(path.rstrip('/'))}/*") if POSTS_FILE.search(name)]
        if not names:
            raise ValueError(f"{option} {pattern!r} is a folder without a .jsonl file, compressed or not")
    else:
        names = filesystem.glob(glob.escape(path) if filesystem.exists(path) else path)
    return found_files(filesystem, names, pattern, option)
