"""Measure the peak memory of the command, all its processes together, on more and more posts, and on more and more pictures in shards.

    python -m bench.growth [--posts 20000 200000 2000000] [--members 10000 100000 5000000] [--detector none]

The posts are empty or one emoji and name no picture, so that the time goes into reading and writing. 2,000,000 take 15 minutes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from archive.command_line import Parser
from bench.night import name_of, write_post, write_shard
from bench.process_tree import ProgramError, measure

MEMBERS_A_SHARD = 50_000


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("bench.growth", __doc__)
    parser.add_argument("--posts", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--members", type=int, nargs="*", default=[10_000, 100_000])
    options, more = parser.parse_known_args(argv)
    for posts in options.posts:
        with tempfile.TemporaryDirectory() as folder:
            write_short_posts(Path(f"{folder}/posts.jsonl"), range(posts))
            _tell(f"{posts:,} posts", [f"--posts={folder}/posts.jsonl", f"--output={folder}/out", *more])
    for members in options.members:
        with tempfile.TemporaryDirectory() as folder:
            for shard, start in enumerate(range(0, members, MEMBERS_A_SHARD)):
                write_shard(Path(f"{folder}/{shard}.tar"), shard, min(MEMBERS_A_SHARD, members - start))
            write_post(Path(f"{folder}/posts.jsonl"), name_of(0, 0))
            inputs = [f"--posts={folder}/posts.jsonl", f"--images={folder}/*.tar"]
            _tell(f"{members:,} members", [*inputs, f"--output={folder}/out", *more])
    return 0


def write_short_posts(path: Path, numbers: Iterable[int]) -> None:
    """Write a file of posts with these ids; their texts are empty or one emoji."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": str(number), "text": "\U0001f600" * (number % 2)}) + "\n" for number in numbers)


def _tell(what: str, arguments: list[str]) -> None:
    try:
        measured = measure(["run_pipeline.py", *arguments])
    except ProgramError as error:
        raise SystemExit(f"{what}: {error}") from error
    print(f"{what}: peak {measured.peak_bytes / 2**30:.2f} GB in {measured.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
