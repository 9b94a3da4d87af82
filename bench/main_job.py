"""Compare the whole command with a tight loop, and with its models alone, on posts with pictures and on texts alone.

    python -m bench.main_job [--archive DIR] [--posts 1200] [--texts 1000] [--rounds 3] [--threads N] [--batch_size 32]

Each round measures three programs in turn, each in its own process, with the same weights, threads and batch size:

- `models`: only the calls of the models, on batches that are ready in memory;
- `loop`: our functions without Beam: read the posts, decode their pictures, which are files, and annotate them.
  Its entities stay in memory, a bad picture would end it, and nothing could be resumed;
- `command`: `run_pipeline.py`, from the first byte of the first post to the last row on disk.

The time to load libraries and models is excluded from all, and shown for the command as `start`. `first row` is the time
from the start of its process to the first rows on disk, `memory` the peak of all its processes together. `bench.peers`
compares the command with other programs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from archive.command_line import Parser
from bench.command_run import CommandRun, run_command, spread
from bench.inputs import Inputs, add_options, posts_with_pictures, posts_without_pictures
from bench.process_tree import ProgramError, measure
from bench.without_beam import PROGRAMS, WithoutBeam
from models.inference.options import ModelOptions


def main(argv: list[str]) -> int:
    """Run the rounds and print the ratios. Return 1 if a program fails, 2 if the archive has no such posts."""
    options = _parser().parse_args(argv)
    for make, posts in ((posts_with_pictures, options.posts), (posts_without_pictures, options.texts)):
        if not posts:
            continue
        with tempfile.TemporaryDirectory() as folder:
            inputs = make(options.archive, posts, Path(folder))
            if options.alone:
                detector = ModelOptions.detector if inputs.pictures else None
                models = ModelOptions(detector=detector, threads=options.threads, batch_size=options.batch_size)
                print(PROGRAMS[options.alone](WithoutBeam(inputs, models)))
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


@dataclass(frozen=True)
class _Round:
    """The seconds of each of `PROGRAMS` by its name, and a run of the command."""

    alone_s: dict[str, float]
    command: CommandRun

    def ratio(self, name: str) -> float:
        return self.alone_s[name] / self.command.work_s


def _round(inputs: Inputs, argv: list[str], output: Path, options: argparse.Namespace) -> _Round:
    command = run_command([*inputs.for_command, f"--threads={options.threads}", f"--batch_size={options.batch_size}"], output)
    other = ["--texts=0"] if inputs.pictures else ["--posts=0"]
    alone_s = {name: float(measure(["-m", "bench.main_job", *argv, *other, f"--alone={name}"]).output.split()[-1]) for name in PROGRAMS}
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in alone_s.items())
    print(f"{told}, command {command.work_s:.1f} s", file=sys.stderr, flush=True)
    return _Round(alone_s, command)


def _report(inputs: Inputs, rounds: list[_Round], options: argparse.Namespace) -> list[str]:
    posts, runs = len(inputs.texts), [one.command for one in rounds]
    lines = [
        f"{posts} posts, {inputs.pictures} pictures, {options.threads} threads, batches of {options.batch_size}; "
        f"median (least to most) of {len(rounds)} rounds:",
        f"  speed of the command: {spread([one.ratio('loop') for one in rounds])} of the tight loop, "
        f"{spread([one.ratio('models') for one in rounds])} of the models alone",
        f"  posts per second: {spread([posts / command.work_s for command in runs], 1)}",
        f"  memory    {spread([command.peak_bytes / 2**30 for command in runs])} GB",
        f"  first row {spread([command.first_row_s for command in runs])} s",
        f"  start     {spread([command.start_s for command in runs])} s",
    ]
    return [*lines, *(f"  {stage:<9} {spread([command.stages_s[stage] for command in runs])} s" for stage in runs[0].stages_s)]


def _parser() -> Parser:
    parser = Parser("bench.main_job", __doc__)
    add_options(parser)
    parser.set_defaults(posts=1200)  # with fewer, the first and the last moments of a run count
    add = parser.add_argument
    add("--batch_size", type=int, default=32, help="as in run_pipeline.py")
    add("--alone", choices=[*PROGRAMS], help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
