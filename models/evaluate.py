"""Score a bundle, or rows that the pipeline wrote, on labelled tweets.

    python -m models.evaluate --model BUNDLE --data FILE [FILE ...] --images GLOB [--condition shuffled] [--json OUT]
    python -m models.evaluate --rows OUT/annotations --data FILE [FILE ...]

FILE is in CoNLL format with `IMGID:` lines, or JSON with spans, as for `models.train`. Member 123.jpg of the image shards
is the picture of IMGID 123. Predicted entities are mapped to the tokens of the file. Scores are on all types of data and
bundle, and on the types that they share. For --rows, annotate the output of
`python -m models.datasets.conll FILE > posts.jsonl`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from archive.command_line import Parser
from models.datasets.type_names import add_map_option
from models.inference.options import detector_or_none
from models.inference.precision import PRECISIONS
from models.pretrained import SHIPPED

CONDITIONS = ("with", "without", "shuffled")


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an option or a file is wrong."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.condition != "without" and not (options.images or options.captions) and (options.compare or not options.rows):
        parser.error(
            f"--condition {options.condition} needs --images or --captions: give them, or --condition without to score the text alone"
        )
    for name, least in (("threads", 0), ("resamples", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)}: give {least} or more")
    for path in (options.json, options.plot, options.errors):
        if path and not path.parent.is_dir():
            parser.error(f"{path} cannot be written: there is no folder {path.parent}")
        if path and path.is_dir():
            parser.error(f"{path} is a folder: give the name of a file")
    from models.evaluation.calibration import plot  # takes seconds: torch
    from models.evaluation.report import evaluate, table

    try:
        report = evaluate(options)
        print(table(report))
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        if options.plot:
            plot(report["reliability"], options.plot)
    except (ValueError, OSError) as error:
        print(f"models.evaluate: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser("models.evaluate", __doc__)
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="labelled posts: files, or folders with a valid file")
    scored = parser.add_mutually_exclusive_group()
    scored.add_argument("--model", default=SHIPPED, help="bundle to score (default: the shipped one)")
    scored.add_argument("--rows", help="folder of annotations to score instead of a bundle")
    add_map_option(add, "data and bundles")
    add("--compare", metavar="BUNDLE", help="second bundle; tells the difference of F1 with its interval, by a paired bootstrap")
    add("--errors", type=Path, metavar="FILE", help="file for all errors (.jsonl); FILE.html shows them with their pictures")
    add("--images", help="glob of image shards, or a folder")
    add("--captions", action="store_true", help="read the captions beside each file of --data as alternative texts of the pictures")
    add("--detector", type=detector_or_none, default=SHIPPED, help="as in run_pipeline.py")
    add(
        "--condition",
        choices=CONDITIONS,
        default="with",
        help="pictures and captions: each post's own, none, or each other's (default: with)",
    )
    add("--cache", type=Path, help="file that stores the features of pictures for the next run")
    add("--json", type=Path, help="file for all scores (.json)")
    add("--plot", type=Path, help="file for the reliability diagram (.png)")
    add("--resamples", type=int, default=1000, help="samples of the bootstrap over posts")
    add("--seed", type=int, default=0, help="of the bootstrap and of shuffling")
    add("--device", default="cpu", help="auto, cpu, cuda, cuda:N")
    add(
        "--precision",
        choices=PRECISIONS.split("|"),
        default="float32",
        help="number format: float32 scores alike on every machine, auto as run_pipeline.py annotates by default (default: float32)",
    )
    add("--threads", type=int, default=0, help="0: one per core")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
