"""Build the table of augmentation vectors from word vectors: what a word's nearest neighbours mean.

    python -m models.augment --vectors w2v.bin --output table/ [--words 20000] [--coverage valid.txt]

Reads word2vec (binary or text), fastText .vec and GloVe files. A word of a post is looked up as written, then in lower
case, then without leading # or @; of words that are not found the vector is zero.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.augmentation import AugmentationTable, build_table, read_vectors, save_table
from models.labels import TYPES
from models.training.conll import read_conll, text_of
from models.words import split_words


def main(argv: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="models.augment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True, help="file of word vectors, most frequent words first")
    parser.add_argument("--output", type=Path, required=True, help="folder of the table")
    parser.add_argument("--words", type=int, help="how many of the most frequent words get an entry (default: all)")
    parser.add_argument(
        "--coverage", type=Path, nargs="+", default=[], help="labelled tweets whose words are looked up, to tell how many are known"
    )
    options = parser.parse_args(argv)
    try:
        table = build_table(*read_vectors(options.vectors), options.words)
        save_table(table, options.output)
        print(f"{options.output}: {len(table.words):,} words, {table.vectors.shape[1]} wide")
        if options.coverage:
            print(coverage(table, list(_words(options.coverage))))
    except (ValueError, OSError) as error:
        print(f"models.augment: {error}", file=sys.stderr)
        return 2
    return 0


def coverage(table: AugmentationTable, words: Sequence[str]) -> str:
    """How many of the words have an entry, in a sentence; signs and numbers are left out."""
    counted = Counter(word for word in words if any(character.isalpha() for character in word))
    known = [word for word in counted if table.row(word)]
    tokens = sum(counted[word] for word in known) / max(counted.total(), 1)
    return f"known: {tokens:.1%} of {counted.total():,} words, {len(known) / max(len(counted), 1):.1%} of {len(counted):,} different ones"


def _words(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        for post in read_conll(path, TYPES)[0]:
            text = text_of(post)[0]
            yield from (text[a:b] for a, b in split_words(text))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
