"""Compare the speed of the whole command with that of the two models alone, and with a simple loop, on real posts.

    python -m bench.main_job [--archive DIR] [--posts 300] [--rounds 3] [--threads N] [--batch_size 32]

Each round measures three programs in turn, each in its own process, with the same weights, threads and batch size:

- `limit`: only the calls of the two models, on batches that are ready in memory;
- `command`: `run_pipeline.py`, from the first byte of the first post to the last row on disk;
- `loop`: one post after the other: read, decode, detect, tag.

The time to load libraries and models is excluded from all three, and shown for the command as `start`. `first row` is the
time from the start of its process to the first rows on disk.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch

from archive.command_line import Parser, existing
from archive.images import Member
from archive.images.decode import Limits
from archive.posts.records import Slice
from models.inference.devices import usable_cores
from models.inference.options import ModelOptions
from models.inference.pool import InferencePool
from models.loading import load_annotator, load_vision_model
from models.vision.vision_model import PreprocessedImage

ARCHIVE = Path(__file__).parent.parent.parent / "shared" / "data" / "archive"


def sample(archive: Path, posts: int, folder: Path) -> Path:
    """Write the first posts of the archive to one file and return its path."""
    lines: list[bytes] = []
    for path in sorted(archive.glob("posts-*.jsonl.gz")):
        with gzip.open(path) as file:
            lines += islice(file, posts - len(lines))
    target = folder / "posts.jsonl"
    target.write_bytes(b"".join(lines))
    return target


def located(posts: Path, images: str) -> list[tuple[Slice, dict[str, Member]]]:
    """Return the slices of a posts file with the places of their pictures, without Beam."""
    from archive.images import find_shards, members_by_name
    from archive.posts.fields.presets import PRESETS
    from archive.posts.slices import read_slices

    members, _ = members_by_name(find_shards([images], "--images").shards)
    slices = read_slices(str(posts), 2**20, PRESETS["postner"].fields("postner"))
    return [(s, {k: members[k] for post in s.posts for k in post.images if k in members}) for s in slices]


def limit(posts: Path, images: str, options: ModelOptions) -> float:
    """Return the seconds in the two models alone, on batches like those of the command that are ready in memory."""
    from archive.images import fetch

    vision_model, annotator = load_vision_model(options), load_annotator(options)
    inputs: list[tuple[Slice, list[str], list[PreprocessedImage]]] = []
    for one, members in located(posts, images):
        keys = {member: key for key, member in members.items()}
        found = [
            (keys[member], vision_model.preprocess(data, Limits())) for member, data in fetch(list(keys), 2**25) if isinstance(data, bytes)
        ]
        inputs.append((one, [key for key, _ in found], [preprocessed for _, preprocessed in found]))
    vision_model.extract(inputs[0][2][:4])  # warm-up
    start = time.perf_counter()
    detected = []
    for one, found_keys, preprocessed in inputs:
        batches = [preprocessed[i : i + options.batch_size] for i in range(0, len(preprocessed), options.batch_size)]
        detected.append((one, dict(zip(found_keys, [f for batch in batches for f in vision_model.extract(batch)], strict=True))))
    detecting = time.perf_counter() - start
    posts_of = [[(post.text, {k: features[k] for k in post.images if k in features}) for post in one.posts] for one, features in detected]
    text_batches = [batch for of_slice in posts_of for batch in annotator.batches(of_slice)]
    here = options.here()
    pool = InferencePool(torch.device(here.device), here.threads)
    start = time.perf_counter()
    pool.run(lambda batches: [annotator.bundle.tagger(batch) for batch in batches], text_batches)
    return detecting + time.perf_counter() - start


def loop(posts: Path, images: str, options: ModelOptions) -> float:
    """Return the seconds of a simple loop over posts."""
    from archive.images import fetch

    vision_model, annotator = load_vision_model(options), load_annotator(options)
    slices = located(posts, images)
    start = time.perf_counter()
    for one, members in slices:
        for post in one.posts:
            pictures = {}
            for key in post.images:
                for _, data in fetch([members[key]], 2**25):
                    assert isinstance(data, bytes)
                    pictures[key] = vision_model.extract([vision_model.preprocess(data, Limits())])[0]
            annotator.annotate([(post.text, pictures)])
    return time.perf_counter() - start


def command(posts: Path, images: str, options: ModelOptions) -> dict[str, float]:
    """Run the command and return its times in seconds: without start, start, first row, and per stage from `run.json`."""
    with tempfile.TemporaryDirectory() as output:
        arguments = [f"--posts={posts}", f"--images={images}", f"--output={output}/out"]
        arguments += [f"--threads={options.threads}", f"--batch_size={options.batch_size}"]
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "run_pipeline.py", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not list(Path(output).glob("out/annotations/*.parquet")) and process.poll() is None:
            time.sleep(0.05)
        first_row = time.perf_counter() - started
        process.wait()
        summary = json.loads(Path(output, "out", "run.json").read_text())
    spent = {stage: msec / 1000 for stage, msec in summary["time_msec"].items()}
    startup = summary["startup_seconds"]
    return {"seconds": summary["seconds"] - startup, "start": startup, "first row": first_row} | spent


def main(argv: list[str]) -> int:
    """Run the rounds and print the ratios. Return 2 if there is no archive."""
    options = _parser().parse_args(argv)
    models = ModelOptions(threads=options.threads, batch_size=options.batch_size)
    images = f"{options.archive}/images-*.tar"
    if options.only:
        measure: dict[str, Callable[[Path, str, ModelOptions], float]] = {"limit": limit, "loop": loop}
        print(measure[options.only](Path(options.file), images, models))
        return 0
    if not options.archive.is_dir():
        print(f"bench: no archive in {options.archive}: give one with --archive", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        posts = sample(options.archive, options.posts, Path(folder))
        rounds = []
        for number in range(options.rounds):
            whole = command(posts, images, models)
            others = {kind: _in_own_process(kind, posts, argv) for kind in ("limit", "loop")}
            rounds.append({"command": whole, **others})
            print(f"round {number + 1}: limit {others['limit']:.2f} s, command {whole['seconds']:.2f} s, loop {others['loop']:.2f} s")
    _report(rounds, options)
    return 0


def _in_own_process(kind: str, posts: Path, argv: list[str]) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.main_job", *argv, "--only", kind, "--file", str(posts)], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def _report(rounds: list[dict], options: argparse.Namespace) -> None:
    to_limit = [r["limit"] / r["command"]["seconds"] for r in rounds]
    to_loop = [r["loop"] / r["command"]["seconds"] for r in rounds]
    print(f"{options.posts} posts, {options.threads} threads, batches of {options.batch_size}")
    print(f"median (least to most) of {options.rounds} rounds:")
    print(f"  speed of the command: {_spread(to_limit)} of the limit")
    print(f"  {_spread(to_loop)} times that of the simple loop")
    print(f"  posts per second: {_spread([options.posts / r['command']['seconds'] for r in rounds])}")
    for stage in ("first row", "start", "fetch", "decode", "detect", "tag", "write"):
        print(f"  {stage:<9} {_spread([r['command'][stage] for r in rounds])} s")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _parser() -> Parser:
    parser = Parser("bench.main_job", __doc__)
    parser.add_argument("--archive", type=existing, default=ARCHIVE, help="folder with posts-*.jsonl.gz and images-*.tar")
    parser.add_argument("--posts", type=int, default=300, help="how many posts")
    parser.add_argument("--rounds", type=int, default=3, help="how many times each is timed")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="of the models")
    parser.add_argument("--batch_size", type=int, default=32, help="as in run_pipeline.py")
    parser.add_argument("--only", choices=("limit", "loop"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
