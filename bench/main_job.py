"""The whole command against its limit and against a loop by hand, on real posts, as ratios of one run.

    python -m bench.main_job [--archive DIR] [--posts 300] [--rounds 3] [--threads N] [--batch_size 32]

Per round, each in a process of its own, in turn, with the same weights, threads and batch size:

- `limit`: only the calls of the two models, on batches that were made before the clock started;
- `command`: `run_pipeline.py`, from the first byte of the first post to the last row on disk;
- `by hand`: one post after the other: read, decode, detect, tag.

Loading of libraries and models is left out of all three, and shown for the command as `start`; `first row` is the time
from the start of its process to the first rows on disk.
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

from archive.images import Member
from archive.images.decode import Limits
from archive.posts.records import Slice
from models.inference.devices import usable_cores
from models.inference.pool import InferencePool
from models.loading import ModelOptions, load_annotator, load_vision_model
from models.vision.vision_model import PreprocessedImage

ARCHIVE = Path(__file__).parent.parent.parent / "shared" / "data" / "archive"
KINDS = ("limit", "command", "by_hand")


def sample(archive: Path, posts: int, folder: Path) -> Path:
    """The first posts of the archive as one file."""
    lines: list[bytes] = []
    for path in sorted(archive.glob("posts-*.jsonl.gz")):
        with gzip.open(path) as file:
            lines += islice(file, posts - len(lines))
    target = folder / "posts.jsonl"
    target.write_bytes(b"".join(lines))
    return target


def located(posts: Path, images: str) -> list[tuple[Slice, dict[str, Member]]]:
    """Slices of a posts file with the places of their pictures, without Beam."""
    from archive.images import find_shards, members_by_name
    from archive.posts.slices import read_slices

    members, _ = members_by_name(find_shards([images], "--images").shards)
    slices = read_slices(str(posts), 2**20)
    return [(s, {k: members[k] for post in s.posts for k in post.images if k in members}) for s in slices]


def limit(posts: Path, images: str, options: ModelOptions) -> float:
    """Seconds in the two models alone, on ready batches of the same make-up as the command's."""
    from archive.images import fetch
    from models.tagging.annotate import Seen

    vision_model, annotator = load_vision_model(options), load_annotator(options)
    looking: list[tuple[Slice, list[str], list[PreprocessedImage]]] = []
    for piece, members in located(posts, images):
        keys = {member: key for key, member in members.items()}
        found = [
            (keys[member], vision_model.preprocess(data, Limits())) for member, data in fetch(list(keys), 2**25) if isinstance(data, bytes)
        ]
        looking.append((piece, [key for key, _ in found], [preprocessed for _, preprocessed in found]))
    vision_model.extract(looking[0][2][:4])
    start = time.perf_counter()
    seen = []
    for piece, found_keys, preprocessed in looking:
        batches = [preprocessed[i : i + options.batch_size] for i in range(0, len(preprocessed), options.batch_size)]
        seen.append((piece, dict(zip(found_keys, [s for batch in batches for s in vision_model.extract(batch)], strict=True))))
    spent = time.perf_counter() - start
    posts_of = [
        [(post.text, [Seen(k, features[k]) for k in post.images if k in features]) for post in piece.posts] for piece, features in seen
    ]
    prepared_texts = [batch for of_slice in posts_of for batch in annotator.batches(of_slice)]
    here = options.here()
    passes = InferencePool(torch.device(here.device), here.threads)
    start = time.perf_counter()
    passes.run(lambda some: [annotator.bundle.tagger(batch) for batch in some], prepared_texts)
    return spent + time.perf_counter() - start


def by_hand(posts: Path, images: str, options: ModelOptions) -> float:
    """Seconds of a loop over posts, as one writes it first."""
    from archive.images import fetch
    from models.tagging.annotate import Seen

    vision_model, annotator = load_vision_model(options), load_annotator(options)
    pieces = located(posts, images)
    start = time.perf_counter()
    for piece, members in pieces:
        for post in piece.posts:
            seen = []
            for key in post.images:
                for _, data in fetch([members[key]], 2**25):
                    assert isinstance(data, bytes)
                    seen.append(Seen(key, vision_model.extract([vision_model.preprocess(data, Limits())])[0]))
            annotator.annotate([(post.text, seen)])
    return time.perf_counter() - start


def command(posts: Path, images: str, options: ModelOptions) -> dict[str, float]:
    """What `run.json` says of the time of the whole command, and seconds to the first row."""
    with tempfile.TemporaryDirectory() as output:
        arguments = [f"--posts={posts}", f"--images={images}", f"--output={output}/out"]
        arguments += [f"--threads={options.threads}", f"--batch_size={options.batch_size}"]
        started = time.perf_counter()
        running = subprocess.Popen([sys.executable, "run_pipeline.py", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not list(Path(output).glob("out/annotations/*.parquet")) and running.poll() is None:
            time.sleep(0.05)
        first_row = time.perf_counter() - started
        running.wait()
        summary = json.loads(Path(output, "out", "run.json").read_text())
    spent = {stage: msec / 1000 for stage, msec in summary["time_msec"].items()}
    startup = summary["startup_seconds"]
    return {"seconds": summary["seconds"] - startup, "start": startup, "first row": first_row} | spent


def main(argv: list[str]) -> int:
    """Run the rounds and print the ratios."""
    options = _parser().parse_args(argv)
    models = ModelOptions(threads=options.threads, batch_size=options.batch_size)
    images = f"{options.archive}/images-*.tar"
    if options.only:
        measure: dict[str, Callable[[Path, str, ModelOptions], float]] = {"limit": limit, "by_hand": by_hand}
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
            alone = {kind: _in_own_process(kind, posts, argv) for kind in ("limit", "by_hand")}
            rounds.append({"whole": whole, **alone})
            print(f"round {number + 1}: limit {alone['limit']:.2f} s, command {whole['seconds']:.2f} s, by hand {alone['by_hand']:.2f} s")
    _report(rounds, options)
    return 0


def _in_own_process(kind: str, posts: Path, argv: list[str]) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.main_job", *argv, "--only", kind, "--file", str(posts)], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def _report(rounds: list[dict], options: argparse.Namespace) -> None:
    of_limit = [r["limit"] / r["whole"]["seconds"] for r in rounds]
    of_hand = [r["by_hand"] / r["whole"]["seconds"] for r in rounds]
    print(f"{options.posts} posts, {options.threads} threads, batches of {options.batch_size}")
    print(f"median (least to most) of {options.rounds} rounds:")
    print(f"  command at {_spread(of_limit)} of the limit")
    print(f"  command {_spread(of_hand)} times as fast as the loop by hand")
    print(f"  posts per second: {_spread([options.posts / r['whole']['seconds'] for r in rounds])}")
    for stage in ("first row", "start", "fetch", "decode", "detect", "tag", "write"):
        print(f"  {stage:<9} {_spread([r['whole'][stage] for r in rounds])} s")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.main_job", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, default=ARCHIVE, help="folder with posts-*.jsonl.gz and images-*.tar")
    parser.add_argument("--posts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--only", choices=("limit", "by_hand"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
