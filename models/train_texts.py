"""Add the granularity of the words in pictures to a trained bundle: all else of it stays as it is.

    python -m models.train_texts --base BUNDLE --data FILE [FILE ...] --output BUNDLE

Each FILE holds labelled posts, as for `models.train`, that the base was not trained on, such as its valid sets: on others
the base is surer than it is right. Beside each `valid.txt` stands `valid.captions.jsonl`, lines of
{"image": key, "caption": text}: what is written in the pictures, or captions that tell it.

Prints F1 with the words of each post's own picture, with none, and with another post's, by cross-validation.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from archive.command_line import Parser
from models.inference.devices import usable_cores
from models.training.config import TextsConfig


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an option or a file is wrong."""
    options = _parser().parse_args(argv)
    from models.training.add_texts import add_texts  # takes seconds: torch

    try:
        add_texts(options, argv)
    except (ValueError, OSError) as error:
        print(f"models.train_texts: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser("models.train_texts", __doc__)
    add = parser.add_argument
    add("--base", type=Path, required=True, help="trained bundle")
    add("--data", type=Path, nargs="+", required=True, help="labelled posts that the base was not trained on, with captions beside them")
    add("--output", type=Path, required=True, help="folder of the new bundle")
    add("--folds", type=int, default=5, help="of the cross-validation")
    meanings = {
        "width": "width of the attention",
        "epochs": "how often all posts are seen",
        "batch_size": "posts per step",
        "lr": "learning rate at its highest",
        "weight_decay": "of the new weights",
        "dropout": "rate in the vectors of words",
        "others": "share of posts that get the words of another post's picture in a step, to learn to ignore them",
        "noise": "share of pictures whose words are put in capitals and broken into lines",
        "word_dropout": "share of the words in pictures that are left out in a step",
        "seed": "of weights, order and dropout",
    }
    for name, default in asdict(TextsConfig()).items():
        add(f"--{name}", type=type(default), default=default, help=meanings[name])
    add("--threads", type=int, default=usable_cores(), help="of torch")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
