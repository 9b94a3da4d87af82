"""Cross-validate recipes of `models.train` on the labelled tweets of train and valid together.

    python -m bench.cross_validation FOLDER --data DIR [DIR ...] --recipe labels='--encoder E5 --epochs 4' ...

Each DIR has train.txt and valid.txt in CoNLL format. A recipe is a name and options of `models.train`; `FOLD` in them stands
for the folder of the fold, in which the bundles of the recipes before lie under their names, for `--teacher`. Other bundles
must not have learnt these tweets. Tweets with the same words are in the same fold. A twentieth of what is learnt chooses the
epoch and the temperature, so the tweets of a fold are only scored. Each core trains a fold. FOLDER keeps what was trained:
repeat the command with more recipes, or after an interruption.

The intervals are those of a bootstrap over tweets. They do not know how much another seed would change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archive.command_line import Parser
from archive.digest import file_sha256
from models.inference.devices import usable_cores

PARTS = ("train", "valid")

EVERY = 20
"""One in so many tweets of the other folds chooses the epoch."""

RESAMPLES = 10_000


def main(argv: list[str]) -> int:
    """Train what is not there yet, print one line for each recipe, and return the exit status: 2 if an option or a file is wrong."""
    options = _parser().parse_args(argv)
    recipes = dict(options.recipe)
    sets = {folder.name: folder for folder in options.data}
    folds = [options.folder / str(number + 1) for number in range(options.folds)]
    try:
        if len(sets) < len(options.data):
            raise ValueError("two folders of --data have the same name: rename one")
        _keep_settings(options.folder, options.folds, sets, recipes)
        for number, fold in enumerate(folds):
            for name, folder in sets.items():
                split(folder, fold / "data" / name, number, options.folds)
        with ThreadPoolExecutor(usable_cores()) as cores:
            list(cores.map(partial(_train, recipes, [*sets]), folds))
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print("micro F1 of exact spans, in float32, without pictures; difference from the first recipe, 95 % interval of a paired bootstrap")
    for line in _table({name: _counts(folds, name, [*sets], options.min_score) for name in recipes}):
        print(line)
    return 0


def _keep_settings(folder: Path, folds: int, sets: Mapping[str, Path], recipes: Mapping[str, str]) -> None:
    """Write down what FOLDER is for. Raises ValueError if it was for something else."""
    data = {name: [file_sha256(path / f"{part}.txt") for part in PARTS] for name, path in sets.items()}
    settings: dict[str, Any] = {"folds": folds, "data": data, "recipes": {}}
    file = folder / "settings.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else settings
    changed = [name for name, recipe in recipes.items() if known["recipes"].get(name, recipe) != recipe]
    if changed or {**known, "recipes": {}} != settings:
        what = f"another recipe {changed[0]}" if changed else "other folds or tweets"
        raise ValueError(f"{folder} has bundles of {what}: give another FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**known, "recipes": known["recipes"] | dict(recipes)}, indent=1), encoding="utf-8")


def split(folder: Path, into: Path, number: int, folds: int) -> None:
    """Write train.txt, valid.txt and test.txt of a fold."""
    texts = [(folder / f"{part}.txt").read_text(encoding="utf-8") for part in PARTS]
    tweets = [tweet for text in texts for tweet in re.split(r"\n\s*\n", text.strip())]
    is_test = [int(hashlib.sha256(_words(tweet).encode()).hexdigest(), 16) % folds == number for tweet in tweets]
    others = [tweet for tweet, tests in zip(tweets, is_test, strict=True) if not tests]
    parts = {
        "train": [tweet for index, tweet in enumerate(others) if index % EVERY],
        "valid": others[::EVERY],
        "test": [tweet for tweet, tests in zip(tweets, is_test, strict=True) if tests],
    }
    into.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        (into / f"{name}.txt").write_text("\n\n".join(part) + "\n", encoding="utf-8")


def _words(tweet: str) -> str:
    return " ".join(line.split()[0] for line in tweet.splitlines() if line.strip() and not line.startswith("IMGID:"))


def _train(recipes: Mapping[str, str], sets: Sequence[str], fold: Path) -> None:
    """Run `models.train` for each recipe whose bundle is not there."""
    data = [str(fold / "data" / name) for name in sets]
    for name, recipe in recipes.items():
        if not (fold / name / "README.md").is_file():
            given = [*shlex.split(recipe.replace("FOLD", str(fold))), "--threads", "1", "--output", str(fold / name)]
            command = [sys.executable, "-m", "models.train", "--data", *data, *given]
            print(shlex.join(command[1:]), file=sys.stderr, flush=True)
            subprocess.run(command, check=True)


def _counts(folds: Sequence[Path], name: str, sets: Sequence[str], least: float) -> dict[str, np.ndarray]:
    """Return by set correct, predicted and gold spans of each tweet (N, 3), by the bundle of the fold that did not learn it."""
    from models.datasets.conll import read_conll  # takes seconds: torch
    from models.evaluation.predictions import annotate
    from models.evaluation.scores import counts
    from models.tagging.annotate import Annotator
    from models.tagging.bundle import load_bundle
    from models.tagging.labels import TYPES

    of_folds: dict[str, list[np.ndarray]] = {of: [] for of in sets}
    for fold in folds:
        bundle = load_bundle(fold / name)
        bundle = replace(bundle, settings=replace(bundle.settings, min_score=least))
        annotator = Annotator(bundle, (), None, threads=usable_cores())
        for of in sets:
            posts = read_conll(fold / "data" / of / "test.txt", TYPES)[0]
            found = annotate(posts, annotator, {}, TYPES, {})
            of_folds[of].append(counts(posts, [[one.span for one in of_post] for of_post in found]))
    return {of: np.concatenate(parts) for of, parts in of_folds.items()}


def _table(counts: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """Return a line for each recipe: F1 by set, of all sets together, and the difference of that."""
    from models.evaluation.scores import bootstrap_difference, f1

    first = np.concatenate([*next(iter(counts.values())).values()])
    lines = []
    for name, of_sets in counts.items():
        together = bootstrap_difference(np.concatenate([*of_sets.values()]), first, RESAMPLES, 0)
        scores = [f"{of} {100 * f1(one.sum(0)):.2f}" for of, one in of_sets.items()]
        low, high = (100 * bound for bound in together["ci95"])
        gain = f"{100 * together['difference']:+.2f} ({low:+.2f} to {high:+.2f})"
        lines.append(f"{name}: {', '.join(scores)}, together {100 * together['f1'][0]:.2f}, {gain}")
    return lines


def _recipe(value: str) -> tuple[str, str]:
    """Parse a recipe. Raises ArgumentTypeError."""
    name, equals, recipe = value.partition("=")
    if not equals or not name.isidentifier() or name == "data":
        raise argparse.ArgumentTypeError(f"{value!r} is no recipe: give NAME='OPTIONS of models.train', with letters as NAME, but not data")
    return name, recipe


def _parser() -> Parser:
    parser = Parser("bench.cross_validation", __doc__)
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="for the data and the bundles of the folds")
    add("--data", type=Path, nargs="+", required=True, help="folders with train.txt and valid.txt in CoNLL format")
    add("--recipe", type=_recipe, nargs="+", required=True, metavar="NAME=OPTIONS", help="options of models.train but --data and --output")
    add("--min_score", type=float, default=0, help="leave out entities below it, whatever the bundles say (default: 0)")
    add("--folds", type=int, choices=range(2, 21), default=3, metavar="N", help="parts of the tweets, 2 to 20 (default: 3)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
