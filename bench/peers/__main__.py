"""Compare the speed of the command with that of other programs that do the same job on the same posts.

    make peers                                              # on the posts of the demo: a few, to see that all works
    make peers PEERS='--archive DIR'                        # DIR holds posts-*.jsonl(.gz) and images-*.tar
    python -m bench.peers --archive DIR [--posts 300] [--texts 1000] [--rounds 3] [--only ray_data] [--precision float32 auto]

Posts with pictures: Ray Data and Daft with our own networks, and a loop by hand of ultralytics' `predict` and a Hugging Face
pipeline with the weights of ours. Texts alone: the pipeline, and the pipeline on texts sorted by length. Ray Data and Daft
must give our rows, or no time is printed; the others show how far their rows agree. Each program runs in its own process
tree, on the CPU, with no more threads than cores, in turn with the command, in the fastest of its settings.

A program's time is without its start: until its models are loaded. The pictures are unpacked for the peers beforehand; the
command finds them in the shards, and writes Parquet. `start` is the rest of its process; `memory` the peak of its processes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from archive.command_line import Parser
from bench.command_run import CommandRun, spread
from bench.inputs import Inputs, add_options, posts_with_pictures, posts_without_pictures
from bench.peers.peer import Peer, Setting
from bench.peers.race import Entry, Race, told
from bench.process_tree import ProgramError
from models.inference.devices import usable_cores
from models.inference.precision import PRECISIONS

MODULES = ("ray_data", "daft_data", "by_hand", "texts_by_hand")

FEW = 200
"""With fewer posts the rates say little."""


def main(argv: list[str]) -> int:
    """Run both races. Return 1 if a peer has no time, 2 if there is nothing to compare with or on."""
    options = _parser().parse_args(argv)
    threads = min(options.threads, usable_cores())
    problems: list[str] = []
    for title, posts, make, peers in (
        ("Posts with pictures", options.posts, posts_with_pictures, of_posts(threads, options.precision)),
        ("Texts alone", options.texts, posts_without_pictures, of_texts(threads)),
    ):
        chosen = [peer for peer in peers if peer.module in options.only]
        if not chosen or not posts:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            inputs = make(options.archive, posts, folder)
            if not inputs.texts:
                print(
                    f"bench.peers: no such posts in {options.archive}: give a folder with posts-*.jsonl and images-*.tar", file=sys.stderr
                )
                return 2
            race = Race(inputs, threads, folder, lambda line: print(line, file=sys.stderr, flush=True))
            try:
                race.run(chosen, options.rounds)
            except ProgramError as error:
                print(f"bench.peers: {error}", file=sys.stderr)
                return 2
            print("\n".join([*table(title, inputs, threads, race.command, race.entries), *race.problems, ""]), flush=True)
            problems += race.problems
    return 1 if problems else 0


def of_posts(threads: int, precisions: Sequence[str]) -> list[Peer]:
    """Return the peers for posts with pictures: those with our networks once for each precision of these."""
    splits = tuple((threads // each, each, 16) for each in sorted({1, 2, 4, threads}) if threads % each == 0)
    ours = [
        Peer(f"{name}, {precision}", module, (package,), splits, precision)
        for precision in precisions
        for name, module, package in (("Ray Data", "ray_data", "ray"), ("Daft", "daft_data", "daft"))
    ]
    return [*ours, Peer("by hand", "by_hand", ("ultralytics", "transformers"), ((1, threads, 1),))]


def of_texts(threads: int) -> list[Peer]:
    """Return the peers for texts alone."""
    settings: tuple[Setting, ...] = ((1, threads, 8), (1, threads, 32))
    return [
        Peer("pipeline", "texts_by_hand", ("transformers",), settings),
        Peer("pipeline, sorted by length", "texts_by_hand", ("transformers",), settings, by_length=True),
    ]


def table(title: str, inputs: Inputs, threads: int, command: Sequence[CommandRun], entries: Sequence[Entry]) -> list[str]:
    """Return a table in Markdown: medians, and the least and the largest of the rounds."""
    posts = len(inputs.texts)
    few = f" Fewer than {FEW} posts: no measure of speed." if posts < FEW else ""
    lines = [
        f"**{title}**: {posts} posts, {inputs.pictures} pictures, {threads} threads of {_processor()}, {len(command)} rounds.{few}",
        "",
        "| | posts/s | the command is ... times as fast | rows beside ours | start, s | memory, GB |",
        "|---|---|---|---|---|---|",
    ]
    seconds = [run.work_s for run in command]
    start, memory = spread([run.start_s for run in command], 1), max(run.peak_bytes for run in command) / 2**30
    lines.append(f"| the command | {spread([posts / s for s in seconds], 1)} | | | {start} | {memory:.1f} |")
    for one in entries:
        rate, ratio = spread([posts / s for s in one.work_s], 1), spread([b / a for a, b in zip(seconds, one.work_s, strict=True)])
        start, memory = spread(one.start_s, 1), max(one.peak_bytes) / 2**30
        lines.append(f"| {one.label}, {told(one.setting)} | {rate} | {ratio} | {one.compared} | {start} | {memory:.1f} |")
    return lines


def _processor() -> str:
    """Return the name of the processor where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return os.uname().machine
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), os.uname().machine)


def _parser() -> Parser:
    parser = Parser("bench.peers", __doc__)
    add_options(parser)
    add = parser.add_argument
    add("--only", nargs="+", choices=MODULES, default=MODULES, help="which peers")
    add(
        "--precision",
        choices=PRECISIONS.split("|"),
        nargs="+",
        default=["float32"],
        help="of our networks in Ray Data and Daft; the command's is its default",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
