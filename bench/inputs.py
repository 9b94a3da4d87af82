"""Posts to measure with, in two forms: as an archive for the command, and unpacked for other programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archive.command_line import existing
from archive.images import fetch, find_shards, members_by_name
from archive.images.decode import Limits, decode
from archive.images.image_error import ImageError
from bench.sample import DEMO, count, first_posts
from models.inference.devices import usable_cores

DETECTOR_SIDE = 640


@dataclass(frozen=True)
class Inputs:
    """Posts in both forms.

    Attributes:
        texts: of the posts, by the id that both forms use.
        pictures: how many they have.
        posts: file of the posts, as in an archive.
        for_command: arguments of the command, `posts` among them.
        unpacked: file with a JSON object a line: `id`, `text`, and `files`, the paths of its pictures.
    """

    texts: dict[str, str]
    pictures: int
    posts: Path
    for_command: tuple[str, ...]
    unpacked: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which posts are measured, how often, and on how many threads."""
    add = parser.add_argument
    add("--archive", type=existing, default=DEMO, help="folder with posts-*.jsonl or .jsonl.gz, and images-*.tar")
    add("--posts", type=count, default=300, help="how many posts with pictures; 0 for none")
    add("--texts", type=count, default=1000, help="how many texts alone; 0 for none")
    add("--rounds", type=int, choices=range(1, 100), metavar="N", default=3, help="how many times each program is timed")
    add("--threads", type=int, choices=range(1, 1025), metavar="N", default=usable_cores(), help="of each program")


def posts_with_pictures(archive: Path, count: int, folder: Path) -> Inputs:
    """Take the first posts whose pictures are all there and can be read.

    The command reads the shards of the archive. Other programs get the pictures as files: unpacking costs them nothing.
    """
    members, _ = members_by_name(find_shards([f"{archive}/images-*.tar"], "--images").shards)
    posts: list[dict[str, Any]] = []
    for post in first_posts(archive):
        keys = post.get("images")
        if len(posts) == count or not isinstance(keys, list) or not keys or any(key not in members for key in keys):
            continue
        pictures = dict(fetch([members[key] for key in keys], Limits.max_image_bytes))
        data = [one for key in keys if isinstance(one := pictures[members[key]], bytes) and _is_readable(one)]
        if len(data) == len(keys):
            files = [folder / f"{len(posts)}-{place}" for place in range(len(keys))]
            for path, one in zip(files, data, strict=True):
                path.write_bytes(one)
            posts.append({"id": str(len(posts)), "text": post["text"], "images": keys, "files": [str(path) for path in files]})
    return _written(posts, folder, (f"--images={archive}/images-*.tar",))


def posts_without_pictures(archive: Path, count: int, folder: Path) -> Inputs:
    """Take the first posts without their pictures, each text once: the command tags a repeated text once."""
    texts = list(dict.fromkeys(post["text"] for post in first_posts(archive)))[:count]
    posts = [{"id": str(number), "text": text, "images": [], "files": []} for number, text in enumerate(texts)]
    return _written(posts, folder, ("--detector=none",))


def _is_readable(data: bytes) -> bool:
    try:
        decode(data, Limits(), DETECTOR_SIDE)
    except ImageError:
        return False
    return True


def _written(posts: list[dict[str, Any]], folder: Path, more: tuple[str, ...]) -> Inputs:
    _write(folder / "posts.jsonl", ({name: post[name] for name in ("id", "text", "images")} for post in posts))
    _write(folder / "unpacked.jsonl", ({name: post[name] for name in ("id", "text", "files")} for post in posts))
    texts = {post["id"]: post["text"] for post in posts}
    arguments = (f"--posts={folder}/posts.jsonl", "--preset=postner", *more)
    pictures = sum(len(post["files"]) for post in posts)
    return Inputs(texts, pictures, folder / "posts.jsonl", arguments, folder / "unpacked.jsonl")


def _write(path: Path, posts: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(post) + "\n" for post in posts), encoding="utf-8")
