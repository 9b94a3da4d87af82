"""Compare how fast bundles tag the same posts, or one bundle in several precisions.

    python -m bench.taggers models/pretrained/default OTHER ... --data VALID.txt --images 'images-*.tar' [--precision float32 int8]

Each round tags all posts with each bundle and precision in turn, with and without pictures. Image features are computed beforehand, so
this is the time of the tagger alone. `bench.main_job` measures detection. Ratios are relative to the first bundle.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from archive.command_line import Parser
from models.datasets.conll import read_conll
from models.inference.devices import usable_cores
from models.inference.options import ModelOptions
from models.inference.precision import PRECISIONS
from models.tagging.labels import TYPES


def main(argv: list[str]) -> int:
    """Run the rounds and print a table."""
    options = _parser().parse_args(argv)
    from models.datasets.pictures import picture_features  # takes seconds: torch
    from models.evaluation.predictions import annotate
    from models.loading import load_annotator, load_vision_model

    posts = read_conll(options.data, TYPES)[0]
    vision_model = load_vision_model(ModelOptions(threads=options.threads))
    features = picture_features({post.image for post in posts if post.image}, options.images, vision_model, options.cache)
    annotators = {
        (path, precision): load_annotator(ModelOptions(path, threads=options.threads, precision=precision))
        for path in options.bundles
        for precision in options.precision
    }
    rates: dict[tuple[tuple[str, str], bool], list[float]] = {}
    for _ in range(options.rounds):
        for name, annotator in annotators.items():
            for pictures in (False, True):
                start = time.perf_counter()
                annotate(posts, annotator, features if pictures else {}, TYPES, {})
                rates.setdefault((name, pictures), []).append(len(posts) / (time.perf_counter() - start))
    print(f"{len(posts)} posts, {options.threads} threads, {options.rounds} rounds: median posts/s, ratio to the first (least to most)")
    reference = next(iter(annotators))
    for (name, pictures), of_rounds in rates.items():
        ratios = [rate / first for rate, first in zip(of_rounds, rates[reference, pictures], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        label = f"{name[0]}, {annotators[name].engine}, {'with' if pictures else 'without'} pictures"
        print(f"  {label}: {statistics.median(of_rounds):.0f} posts/s, {spread}")
    return 0


def _parser() -> Parser:
    parser = Parser("bench.taggers", __doc__)
    add = parser.add_argument
    add("bundles", nargs="+", metavar="BUNDLE", help="folder of a trained model")
    add("--data", type=Path, required=True, help="labelled tweets in CoNLL format")
    add("--images", required=True, help="glob of image shards, or a folder")
    add("--cache", type=Path, help="file that stores the features of pictures for the next run")
    add("--precision", nargs="+", choices=PRECISIONS.split("|"), default=["auto"], help="number formats, as in run_pipeline.py")
    add("--rounds", type=int, default=3, help="how many times each is timed")
    add("--threads", type=int, default=usable_cores(), help="of the models")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
