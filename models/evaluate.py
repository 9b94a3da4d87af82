"""Score a bundle, or rows that the pipeline wrote, on labelled tweets.

    python -m models.evaluate --model BUNDLE --data FILE [FILE ...] --images GLOB [--condition shuffled] [--json OUT]
    python -m models.evaluate --rows OUT/annotations --data FILE [FILE ...]

FILE is in CoNLL format with `IMGID:` lines, or JSON with spans, as for `models.train`. Member 123.jpg of the image shards
is the picture of IMGID 123. Predicted entities are mapped to the tokens of the file. Scores are on all types of data and
bundle, and on the types that they share. For --rows, annotate the output of
`python -m models.datasets.conll FILE > posts.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from archive.command_line import Parser
from models.datasets.captions import read_captions
from models.datasets.conll import file_of, read_all, type_names_in
from models.datasets.pictures import thumbnails
from models.datasets.type_names import add_map_option, check_renames, renames_of, types_of
from models.evaluation.calibration import plot, reliability
from models.evaluation.candidates import BundleCandidate, Labelled, Rows
from models.evaluation.errors import SHOWN, errors_of, per_post, render
from models.evaluation.predictions import Found
from models.evaluation.scores import difference, on_types, score
from models.inference.options import ModelOptions, detector_or_none
from models.inference.precision import PRECISIONS
from models.loading import load_annotator, load_vision_model
from models.pretrained import SHIPPED
from models.tagging.bundle import BundleError
from models.vision.detectors import DetectorError

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
    try:
        report = _evaluate(options)
        print(_table(report))
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        if options.plot:
            plot(report["reliability"], options.plot)
    except (BundleError, DetectorError, ValueError, OSError) as error:
        print(f"models.evaluate: {error}", file=sys.stderr)
        return 2
    return 0


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    files = [file_of(path, "valid") for path in options.data]
    given = dict(options.map)
    candidates = [Rows(options.rows) if options.rows else _bundle(options.model, options)]
    if options.compare:
        candidates.append(_bundle(options.compare, options))
    seen = type_names_in(files)
    known = [kind for candidate in candidates for kind in candidate.types]
    check_renames(given, [*dict.fromkeys([*seen, *known])])
    renames = renames_of(seen, given, known)
    types = types_of([*seen, *known], renames)
    posts = read_all(files, types, renames)
    labelled = Labelled(posts, types, given)
    found = [candidate.predict(labelled) for candidate in candidates]
    first, *others = found
    gold = [*posts.values()]
    shared = {renames.get(name, name) for name in seen}.intersection(*({given.get(kind, kind) for kind in one.types} for one in candidates))
    correct = np.array([one.span in post.spans for post, of_post in zip(gold, first, strict=True) for one in of_post], bool)
    ece, table = reliability(np.array([one.score for of_post in first for one in of_post]), correct)
    report = {
        "model": candidates[0].label,
        "data": [str(path) for path in files],
        "condition": "rows" if options.rows else options.condition,
        "posts": len(gold),
        **score(gold, first, types, options.resamples, options.seed),
        "shared": on_types(gold, first, types, shared),
        "ece": ece,
        "reliability": table,
        "predictions": per_post(labelled, first),
    }
    if others:
        report["compare"] = {"model": candidates[1].label} | {
            name: difference(gold, found, [kind in chosen for kind in types], options.resamples, options.seed)
            for name, chosen in (("all", types), ("shared", shared))
        }
    if options.errors:
        _write_errors(report, labelled, first, options)
    return report


def _bundle(model: str, options: argparse.Namespace) -> BundleCandidate:
    is_text = options.condition == "without"
    detector = None if is_text or not options.images else options.detector
    models = ModelOptions(model, detector, options.device, threads=options.threads, precision=options.precision)
    images = None if is_text else options.images
    captions: dict[str, str] = {}
    for path in options.data if options.captions and not is_text else ():
        captions |= read_captions(file_of(path, "valid"))
    return BundleCandidate(
        load_annotator(models), load_vision_model(models), images, captions, options.cache, options.condition, options.seed
    )


def _write_errors(report: dict[str, Any], labelled: Labelled, found: Found, options: argparse.Namespace) -> None:
    """Write the errors as JSON lines, and a page of them beside it."""
    errors = errors_of(labelled, found)
    lines = "".join(json.dumps(error, ensure_ascii=False) + "\n" for error in errors)
    options.errors.write_text(lines, encoding="utf-8", errors="replace")
    keys = {key for error in errors[:SHOWN] for key in error["images"]}
    pictures = thumbnails(keys, options.images) if options.images and keys else {}
    page = options.errors.with_name(options.errors.name + ".html")
    page.write_text(render(report["model"], errors, pictures), encoding="utf-8", errors="replace")


def _table(report: dict[str, Any]) -> str:
    low, high = report["lenient"]["ci95"]
    lines = [f"{report['model']}, {report['posts']:,} posts, pictures: {report['condition']}", ""]
    rows = {name: report[name] for name in ("lenient", "strict", "spans")} | report["types"]
    scores = ([name, *(f"{100 * row[key]:.2f}" for key in ("f1", "precision", "recall"))] for name, row in rows.items())
    lines += _aligned(["", "F1", "P", "R"], scores)
    lines += [
        "",
        f"  95 % interval of lenient F1: {100 * low:.2f} to {100 * high:.2f}",
        f"  calibration error of scores: {report['ece']:.4f}",
    ]
    shared = report["shared"]
    lines.append(f"  shared types: F1 {100 * shared['f1']:.2f} on {', '.join(shared['types']) or 'none'}")
    for name in ("all", "shared") if "compare" in report else ():
        one = report["compare"][name]
        low, high = one["ci95"]
        lines.append(
            f"  against {report['compare']['model']}, {name} types: F1 {100 * one['f1'][0]:.2f} and {100 * one['f1'][1]:.2f}, "
            f"difference {100 * one['difference']:+.2f}, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}"
        )
    names = list(report["confusion"])
    counts = ([name, *(str(row[column]) for column in names)] for name, row in report["confusion"].items())
    return "\n".join([*lines, "", *_aligned(["gold \\ found", *names], counts)])


def _aligned(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Return the lines of a table: its first column to the left, the others to the right."""
    table = [head, *rows]
    first, *others = (max(map(len, column)) for column in zip(*table, strict=True))
    return [f"  {row[0]:<{first}}" + "".join(f"  {cell:>{wide}}" for cell, wide in zip(row[1:], others, strict=True)) for row in table]


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
    add("--precision", choices=PRECISIONS.split("|"), default="float32", help="number format, as in run_pipeline.py (default: float32)")
    add("--threads", type=int, default=0, help="0: one per core")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
