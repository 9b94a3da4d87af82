"""Compare the speed of the whole command with that of the two models alone, on posts with pictures and on texts alone.

    python -m bench.main_job [--archive DIR] [--posts 300] [--texts 1000] [--rounds 3] [--threads N] [--batch_size 32]

Each round measures two programs in turn, each in its own process, with the same weights, threads and batch size:

- `limit`: only the calls of the models, on batches that are ready in memory;
- `command`: `run_pipeline.py`, from the first byte of the first post to the last row on disk.

The time to load libraries and models is excluded from both, and shown for the command as `start`. `first row` is the time
from the start of its process to the first rows on disk, `memory` the peak of all its processes together. `bench.peers`
compares the command with other programs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from archive.command_line import Parser, existing
from archive.images.decode import Limits
from archive.posts.fields.presets import PRESETS
from archive.posts.slices import read_slices
from bench.command_run import CommandRun, run_command, spread
from bench.inputs import Inputs, posts_with_pictures, posts_without_pictures
from bench.process_tree import ProgramError, measure
from bench.sample import DEMO, count
from models.inference.devices import usable_cores
from models.inference.options import ModelOptions


def limit(inputs: Inputs, options: ModelOptions) -> float:
    """Return the seconds in the models alone, on batches like those of the command that are ready in memory."""
    from models.loading import load_annotator, load_vision_model  # takes seconds: torch

    vision_model, annotator = load_vision_model(options), load_annotator(options)
    files = {post["id"]: post["files"] for post in map(json.loads, inputs.unpacked.read_text(encoding="utf-8").splitlines())}
    slices = [one.posts for one in read_slices(str(inputs.posts), 2**20, PRESETS["postner"].fields("postner"))]
    pictures = [[path for post in posts for path in files[post.id]] for posts in slices]
    images = [[vision_model.preprocess(Path(path).read_bytes(), Limits()) for path in paths] for paths in pictures]
    vision_model.extract(images[0][:4])  # warm-up
    start, size = time.perf_counter(), options.batch_size
    features = [
        [found for first in range(0, len(one), size) for found in vision_model.extract(one[first : first + size])] for one in images
    ]
    detecting = time.perf_counter() - start
    by_path = {path: found for paths, of_slice in zip(pictures, features, strict=True) for path, found in zip(paths, of_slice, strict=True)}
    inputs_of = [[(post.text, {path: by_path[path] for path in files[post.id]}) for post in posts] for posts in slices]
    batches = [batch for of_slice in inputs_of for batch in annotator.batches(of_slice)]
    start = time.perf_counter()
    annotator.run(batches)
    return detecting + time.perf_counter() - start


def main(argv: list[str]) -> int:
    """Run the rounds and print the ratios. Return 1 if a program fails, 2 if the archive has no such posts."""
    options = _parser().parse_args(argv)
    for make, posts in ((posts_with_pictures, options.posts), (posts_without_pictures, options.texts)):
        if not posts:
            continue
        with tempfile.TemporaryDirectory() as folder:
            inputs = make(options.archive, posts, Path(folder))
            if options.limit_alone:
                detector = ModelOptions.detector if inputs.pictures else None
                print(limit(inputs, ModelOptions(detector=detector, threads=options.threads, batch_size=options.batch_size)))
                return 0
            if not inputs.texts:
                print(f"bench.main_job: no posts in {options.archive}: give a folder with posts-*.jsonl and images-*.tar", file=sys.stderr)
                return 2
            try:
                rounds = [_round(inputs, argv, Path(folder) / f"out-{number}", options) for number in range(options.rounds)]
            except ProgramError as error:
                print(f"bench.main_job: {error}", file=sys.stderr)
                return 1
            print("\n".join(_report(inputs, rounds, options)), flush=True)
    return 0


def _round(inputs: Inputs, argv: list[str], output: Path, options: argparse.Namespace) -> tuple[float, CommandRun]:
    """Return the seconds of the models alone, and a run of the command."""
    command = run_command([*inputs.for_command, f"--threads={options.threads}", f"--batch_size={options.batch_size}"], output)
    other = ["--texts=0"] if inputs.pictures else ["--posts=0"]
    alone = float(measure(["-m", "bench.main_job", *argv, *other, "--limit_alone"]).output.split()[-1])
    print(f"models alone {alone:.1f} s, command {command.work_s:.1f} s", file=sys.stderr, flush=True)
    return alone, command


def _report(inputs: Inputs, rounds: list[tuple[float, CommandRun]], options: argparse.Namespace) -> list[str]:
    posts, runs = len(inputs.texts), [command for _, command in rounds]
    lines = [
        f"{posts} posts, {inputs.pictures} pictures, {options.threads} threads, batches of {options.batch_size}; "
        f"median (least to most) of {len(rounds)} rounds:",
        f"  speed of the command: {spread([alone / command.work_s for alone, command in rounds])} of the limit",
        f"  posts per second: {spread([posts / command.work_s for command in runs], 1)}",
        f"  memory    {spread([command.peak_bytes / 2**30 for command in runs])} GB",
        f"  first row {spread([command.first_row_s for command in runs])} s",
        f"  start     {spread([command.start_s for command in runs])} s",
    ]
    return [*lines, *(f"  {stage:<9} {spread([command.stages_s[stage] for command in runs])} s" for stage in runs[0].stages_s)]


def _parser() -> Parser:
    parser = Parser("bench.main_job", __doc__)
    add = parser.add_argument
    add("--archive", type=existing, default=DEMO, help="folder with posts-*.jsonl or .jsonl.gz, and images-*.tar")
    add("--posts", type=count, default=300, help="how many posts with pictures; 0 for none")
    add("--texts", type=count, default=1000, help="how many texts alone; 0 for none")
    add("--rounds", type=int, default=3, help="how many times each is timed")
    add("--threads", type=int, default=usable_cores(), help="of the models")
    add("--batch_size", type=int, default=32, help="as in run_pipeline.py")
    add("--limit_alone", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
