"""Score a bundle, or rows that the pipeline wrote, on labelled tweets.

    python -m models.evaluate --model BUNDLE --data FILE [FILE ...] --images GLOB [--condition shuffled] [--json OUT]
    python -m models.evaluate --rows OUT/annotations --data FILE [FILE ...]

FILE is in CoNLL format with `IMGID:` lines. Member 123.jpg of the image shards is the picture of IMGID 123. Predicted
entities are mapped to the tokens of the file. For --rows, annotate the output of
`python -m models.datasets.conll FILE > posts.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from archive.command_line import HelpFormatter
from models.datasets.conll import LabelledPost, read_all
from models.datasets.pictures import picture_features
from models.evaluation import predictions
from models.evaluation.calibration import plot, reliability
from models.evaluation.scores import score
from models.inference.options import ModelOptions, detector_or_none
from models.loading import load_annotator, load_vision_model
from models.pretrained import SHIPPED
from models.tagging.bundle import BundleError
from models.tagging.labels import TYPES
from models.vision.detectors import DetectorError

CONDITIONS = ("with", "without", "shuffled")


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an option or a file is wrong."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.condition != "without" and not options.images and not options.rows:
        parser.error(f"--condition {options.condition} needs --images: give them, or --condition without to score the text alone")
    for name, least in (("threads", 0), ("resamples", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)}: give {least} or more")
    for path in (options.json, options.plot):
        if path and not path.parent.is_dir():
            parser.error(f"{path} cannot be written: there is no folder {path.parent}")
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
    posts = read_all(options.data, TYPES)
    gold = list(posts.values())
    if options.rows:
        model, found = f"rows of {options.rows}", predictions.read_rows(posts, options.rows, TYPES)
    else:
        model, found = _annotated(gold, options)
    correct = np.array([one.span in post.spans for post, of_post in zip(gold, found, strict=True) for one in of_post], bool)
    ece, table = reliability(np.array([one.score for of_post in found for one in of_post]), correct)
    return {
        "model": model,
        "data": [str(path) for path in options.data],
        "condition": "rows" if options.rows else options.condition,
        "posts": len(gold),
        **score(gold, found, TYPES, options.resamples, options.seed),
        "ece": ece,
        "reliability": table,
    }


def _annotated(posts: list[LabelledPost], options: argparse.Namespace) -> tuple[str, list[list[predictions.Prediction]]]:
    detector = None if options.condition == "without" else options.detector
    models = ModelOptions(options.model, detector, options.device, threads=options.threads)
    annotator = load_annotator(models)
    if (types := annotator.bundle.tagger.config.types) != TYPES:
        raise ValueError(f"--model {options.model} has the types {', '.join(types)}, but the tweets are scored with {', '.join(TYPES)}")
    features = {}
    if options.condition != "without":
        keys = {post.image for post in posts if post.image}
        features = picture_features(keys, options.images, load_vision_model(models), options.cache)
    if options.condition == "shuffled":
        posts = predictions.shuffled(posts, options.seed)
    return annotator.bundle.label, predictions.annotate(posts, annotator, features)


def _table(report: dict[str, Any]) -> str:
    low, high = report["lenient"]["ci95"]
    lines = [f"{report['model']}, {report['posts']:,} posts, pictures: {report['condition']}", "", "            F1     P      R"]
    rows = {name: report[name] for name in ("lenient", "strict", "spans")} | report["types"]
    lines += [f"  {name:<8}" + "".join(f"{100 * row[key]:7.2f}" for key in ("f1", "precision", "recall")) for name, row in rows.items()]
    lines += [
        "",
        f"  95 % interval of lenient F1: {100 * low:.2f} to {100 * high:.2f}",
        f"  calibration error of scores: {report['ece']:.4f}",
    ]
    names = list(report["confusion"])
    lines += ["", "  gold \\ found" + "".join(f"{name:>7}" for name in names)]
    lines += [f"  {name:<12}" + "".join(f"{row[column]:>7}" for column in names) for name, row in report["confusion"].items()]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models.evaluate", description=__doc__, formatter_class=HelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="labelled tweets")
    scored = parser.add_mutually_exclusive_group()
    scored.add_argument("--model", default=SHIPPED, help="bundle to score (default: the shipped one)")
    scored.add_argument("--rows", help="folder of annotations to score instead of a bundle")
    add("--images", help="glob of image shards, or a folder")
    add("--detector", type=detector_or_none, default=SHIPPED, help="as in run_pipeline.py")
    add("--condition", choices=CONDITIONS, default="with", help="pictures: each post's own, none, or each other's (default: with)")
    add("--cache", type=Path, help="file that stores the features of pictures for the next run")
    add("--json", type=Path, help="file for all scores (.json)")
    add("--plot", type=Path, help="file for the reliability diagram (.png)")
    add("--resamples", type=int, default=1000, help="samples of the bootstrap over posts")
    add("--seed", type=int, default=0, help="of the bootstrap and of shuffling")
    add("--device", default="cpu", help="auto, cpu, cuda, cuda:N")
    add("--threads", type=int, default=0, help="0: one per core")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
