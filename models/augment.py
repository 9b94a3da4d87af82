"""Build a table of augmentation vectors from word vectors.

    python -m models.augment --vectors w2v.bin --output table/ [--words 20000] [--coverage valid.txt]

It reads word2vec (binary or text), fastText .vec and GloVe files. The tagger looks up a word as written, then in lower
case, then without leading # and @. A word that is not found has a zero vector.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archive.command_line import Parser
from models.datasets.conll import read_labelled
from models.datasets.labelled_post import text_of
from models.datasets.raw_posts import read_texts
from models.datasets.type_names import TypeNames
from models.tagging.settings import NEIGHBOURS
from models.tagging.words import split_words

if TYPE_CHECKING:
    from models.tagging.augmentation import AugmentationTable

LABELLED = re.compile(rb"IMGID:|.*\t(O|[BI]-\S+)\s*$")


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an option or a file is wrong."""
    parser = Parser("models.augment", __doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="file of word vectors, most frequent words first")
    parser.add_argument("--output", type=Path, required=True, help="folder of the table")
    parser.add_argument("--words", type=int, help="how many of the most frequent words get an entry (default: all)")
    parser.add_argument("--neighbours", type=int, default=NEIGHBOURS, help="how many similar words are averaged for each entry")
    parser.add_argument(
        "--coverage",
        type=Path,
        nargs="+",
        default=[],
        help="labelled tweets (token, tab, tag) or raw posts (as in models.adapt); prints how many of their words have an entry",
    )
    options = parser.parse_args(argv)
    for name in ("words", "neighbours"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: give 1 or more")
    from models.datasets.word_vectors import read_vectors  # takes seconds: torch
    from models.tagging.augmentation import build_table, save_table

    try:
        coverage_words = [word for path in options.coverage for word in _words(path)]
        table = build_table(*read_vectors(options.vectors), options.words, neighbours=options.neighbours)
        save_table(table, options.output)
    except (ValueError, OSError) as error:
        print(f"models.augment: {error}", file=sys.stderr)
        return 2
    print(f"{options.output}: {len(table.words):,} words, vectors of {table.vectors.shape[1]} numbers")
    if options.coverage:
        print(coverage(table, coverage_words))
    return 0


def coverage(table: AugmentationTable, words: Sequence[str]) -> str:
    """Return a sentence that says how many of the words have an entry. Punctuation and numbers are not counted."""
    counted = Counter(word for word in words if any(character.isalpha() for character in word))
    known = [word for word in counted if table.row(word)]
    tokens = sum(counted[word] for word in known) / max(counted.total(), 1)
    return f"known: {tokens:.1%} of {counted.total():,} words, {len(known) / max(len(counted), 1):.1%} of {len(counted):,} different ones"


def _words(path: Path) -> Iterator[str]:
    texts = (text_of(post)[0] for post in read_labelled(path, TypeNames(None, {}))[0]) if _is_labelled(path) else read_texts(path)
    for text in texts:
        yield from (text[a:b] for a, b in split_words(text))


def _is_labelled(path: Path) -> bool:
    """Return whether the first line of a file is one of labelled tweets."""
    with path.open("rb") as file:
        return LABELLED.match(file.readline(1 << 16)) is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
