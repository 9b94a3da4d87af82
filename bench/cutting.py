"""Measure how long it takes to cut posts files, beside reading and parsing them whole and in pieces.

    python -m bench.cutting [--posts 500000]

One process, CPU seconds. The slices of the pieces are compared with those of the whole file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from archive.posts.fields.presets import PRESETS
from archive.posts.pieces import cut
from archive.posts.slices import read_slices

FIELDS = PRESETS["postner"].fields("postner")
MAX_LINE_BYTES = 10 * 2**20
FRAME_BYTES = 4 * 2**20
ROW_GROUP_ROWS = 50_000


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 1 if slices differ."""
    parser = argparse.ArgumentParser(prog="bench.cutting", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=500_000)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        for path in _files(options.posts, Path(folder)):
            with _timed() as whole_s:
                whole = [(one.name, len(one.posts)) for one in read_slices(str(path), MAX_LINE_BYTES, FIELDS)]
            with _timed() as cut_s:
                pieces = list(cut(str(path), MAX_LINE_BYTES, FIELDS))
            with _timed() as pieces_s:
                found = [
                    (one.name, len(one.posts)) for piece in pieces for one in read_slices(str(path), MAX_LINE_BYTES, FIELDS, piece=piece)
                ]
            if found != whole:
                print(f"{path.name}: the slices differ", file=sys.stderr)
                return 1
            size = f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, {options.posts:,} posts, {len(pieces)} pieces"
            print(f"{size}: cut in {cut_s[0]:.1f} s, read whole in {whole_s[0]:.1f} s, in pieces in {pieces_s[0]:.1f} s", flush=True)
    return 0


def _files(count: int, folder: Path) -> Iterator[Path]:
    posts = [
        {"id": str(10**18 + number), "text": f"Anna and Tom were seen in Berlin today, and {number} others", "images": [], "lang": "en"}
        for number in range(count)
    ]
    raw = b"".join(json.dumps(post).encode() + b"\n" for post in posts)
    (folder / "plain.jsonl").write_bytes(raw)
    yield folder / "plain.jsonl"
    frames = (zstandard.compress(raw[start : start + FRAME_BYTES]) for start in range(0, len(raw), FRAME_BYTES))
    (folder / "frames.zst").write_bytes(b"".join(frames))
    yield folder / "frames.zst"
    pq.write_table(pa.Table.from_pylist(posts), folder / "rows.parquet", row_group_size=ROW_GROUP_ROWS)
    yield folder / "rows.parquet"


@contextmanager
def _timed() -> Iterator[list[float]]:
    seconds: list[float] = []
    started = time.process_time()
    yield seconds
    seconds.append(time.process_time() - started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
