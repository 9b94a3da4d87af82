"""Texts alone as people write it: a Hugging Face pipeline on all of them, in batches.

With `by_length` they are sorted by length before, so that little is padded.
"""

from __future__ import annotations

import sys
import time

from bench.peers.rows import Row
from bench.peers.task import Task
from bench.peers.token_classifier import entities_of, load_token_classifier


def main(argv: list[str]) -> int:
    """Do a task."""
    task = Task.parse(argv)
    tag = load_token_classifier(task.classifier, task.threads)
    posts = task.read_posts()
    ready = time.time()
    if task.by_length:
        posts.sort(key=lambda post: len(post["text"]))
    found = tag([post["text"] for post in posts], batch_size=task.batch_size)
    task.answer([Row(post["id"], entities_of(of_post), ()).to_json() for post, of_post in zip(posts, found, strict=True)], ready)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
