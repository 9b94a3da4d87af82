"""Measure how much information pictures have beyond the text, by a linear model.

    python -m bench.pictures TEXT_ONLY_BUNDLE --data TRAIN.txt VALID.txt --images 'images-*.tar'

The bundle tags posts that it was not trained on, without their pictures. A logistic regression predicts each word's type
from the bundle's log probabilities; a second one also gets features of a picture: its objects, or the mean of its grid. The
picture is the post's own or another post's. The gain of the own picture over another's is its information. The regressions
are cross-validated over five folds of posts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from archive.command_line import Parser
from models.inference.devices import usable_cores


def main(argv: list[str]) -> int:
    """Print one line for each kind of features, and return the exit status."""
    options = _parser().parse_args(argv)
    from bench.picture_information import measure  # takes seconds: torch

    measure(options)
    return 0


def _parser() -> Parser:
    parser = Parser("bench.pictures", __doc__)
    add = parser.add_argument
    add("bundle", metavar="TEXT_ONLY_BUNDLE", help="folder of a model that was trained on other posts, without pictures")
    add("--data", type=Path, nargs="+", required=True, help="labelled tweets in CoNLL format with IMGID lines")
    add("--images", required=True, help="glob of image shards, or a folder")
    add("--cache", type=Path, help="file that stores the features of pictures for the next run")
    add("--threads", type=int, default=usable_cores(), help="of the networks")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
