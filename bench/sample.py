"""Posts of an archive to measure with."""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parent.parent / "demo" / "archive"


def first_posts(archive: Path, count: int | None = None) -> list[dict[str, Any]]:
    """Return the first posts of `posts-*.jsonl` and `posts-*.jsonl.gz` in a folder: objects with an id and a text."""
    return list(islice(_posts(archive), count))


def _posts(archive: Path) -> Iterator[dict[str, Any]]:
    for path in sorted([*archive.glob("posts-*.jsonl"), *archive.glob("posts-*.jsonl.gz")]):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                with suppress(ValueError):
                    post = json.loads(line)
                    if isinstance(post, dict) and "id" in post and isinstance(post.get("text"), str):
                        yield post


def repeated(posts: list[dict[str, Any]], times: int) -> Iterator[str]:
    """Yield the posts as lines of JSON, several times under new ids."""
    return (json.dumps(post | {"id": f"{post['id']}-{n}"}) for n in range(times) for post in posts)


def count(text: str) -> int:
    """Return a number of posts; for `type=` of an argument."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of posts")
    return int(text)
