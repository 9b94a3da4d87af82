"""Measure a night: one new post over an archive of many shards, with `--resume`.

    python -m bench.night [--shards 400] [--members 1000] [--detector none]

Prints the CPU seconds of the whole command for the first night, for a night with one new post, and for one post without shards.
The second less the third is what the night costs beyond the start. The archive is made of small pictures.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

from PIL import Image

from archive.command_line import Parser

ROOT = Path(__file__).parent.parent


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("bench.night", __doc__)
    parser.add_argument("--shards", type=int, default=400)
    parser.add_argument("--members", type=int, default=1000, help="of each shard")
    options, more = parser.parse_known_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shard in range(options.shards):
            write_shard(folder / f"images-{shard:05d}.tar", shard, options.members)
        night = [f"--posts={folder}/posts-*.jsonl", f"--images={folder}/images-*.tar", f"--output={folder}/out", "--resume", *more]
        write_post(folder / "posts-0.jsonl", name_of(0, 0))
        first = cpu_s(night)
        print(f"first night, {options.shards * options.members:,} members: {first:.1f} CPU seconds", flush=True)
        write_post(folder / "posts-1.jsonl", name_of(1, 1))
        second = cpu_s(night)
        base = cpu_s([f"--posts={folder}/posts-1.jsonl", f"--output={folder}/base", *more])
        print(f"a night with one new post: {second:.1f}; the same post without shards: {base:.1f}; beyond the start: {second - base:.1f}")
    return 0


def name_of(shard: int, member: int) -> str:
    """Return the name of a picture in a shard."""
    return f"{shard:05d}-{member:08d}.png"


def write_shard(path: Path, number: int, members: int) -> None:
    """Write a tar of copies of one small picture. Its headers differ in names and check sums alone, so that a million take seconds."""
    picture = BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(picture, "PNG")
    data = picture.getvalue()
    info = tarfile.TarInfo(name_of(0, 0))
    info.size = len(data)
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    length = len(info.name)
    rest = sum(header[length:148]) + 8 * ord(" ") + sum(header[156:])
    padded = data.ljust(-(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, b"\0")
    with path.open("wb") as file:
        for member in range(members):
            name = name_of(number, member).encode()
            header[:length] = name
            header[148:156] = b"%06o\0 " % (rest + sum(name))
            file.write(header + padded)
        file.write(bytes(2 * tarfile.BLOCKSIZE))


def write_post(path: Path, picture: str) -> None:
    """Write a posts file with one post."""
    path.write_text(json.dumps({"id": path.name, "text": "Anna is in Paris", "images": [picture]}), encoding="utf-8")


def cpu_s(arguments: list[str]) -> float:
    """Return the CPU seconds of the command, its child processes included."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, "run_pipeline.py", *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"  {time.monotonic() - started:.1f} s", flush=True)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
