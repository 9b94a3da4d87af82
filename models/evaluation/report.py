"""Score a bundle or rows, and write the scores as a table: what `models.evaluate` does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from models.datasets.captions import read_captions
from models.datasets.conll import file_of, read_all, type_names_in
from models.datasets.pictures import thumbnails
from models.datasets.type_names import check_renames, renames_of, types_of
from models.evaluation.calibration import reliability
from models.evaluation.candidates import BundleCandidate, Labelled, Rows
from models.evaluation.errors import SHOWN, errors_of, per_post, render
from models.evaluation.predictions import Found
from models.evaluation.scores import difference, on_types, score
from models.inference.devices import usable_device
from models.inference.options import ModelOptions
from models.inference.precision import usable_precision
from models.loading import load_annotator, load_vision_model


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Return the scores that the options of the command ask for, as JSON; also write the errors, if asked for.

    Raises:
        ValueError, OSError: an option or a file is wrong.
    """
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
    ece, bins = reliability(np.array([one.score for of_post in first for one in of_post]), correct)
    report = {
        "model": candidates[0].label,
        "data": [str(path) for path in files],
        "condition": "rows" if options.rows else options.condition,
        "precision": None if options.rows else usable_precision(options.precision, usable_device(options.device)),
        "posts": len(gold),
        **score(gold, first, types, options.resamples, options.seed),
        "shared": on_types(gold, first, types, shared),
        "ece": ece,
        "reliability": bins,
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


def table(report: dict[str, Any]) -> str:
    """Return the scores as text."""
    low, high = report["lenient"]["ci95"]
    precision = f", in {report['precision']}" if report["precision"] else ""
    lines = [f"{report['model']}{precision}, {report['posts']:,} posts, pictures: {report['condition']}", ""]
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
