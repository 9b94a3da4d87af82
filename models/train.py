"""Train a tagger on labelled tweets and write it as a bundle.

    python -m models.train --data DIR [DIR ...] --images GLOB --encoder FOLDER_OR_ID --vectors W2V --output BUNDLE

Each DIR holds labelled posts for training and validation: `train.txt` and `valid.txt` in CoNLL format with `IMGID:` lines,
or `train.jsonl` and `valid.jsonl` with spans, as Prodigy, doccano, Label Studio and `datasets` write them. The entity types
are those of the data; --map renames or drops some. The epoch with the best score on all valid sets together is saved.
An interrupted run resumes when you repeat the command, with the same result.

With --teacher and --unlabelled the tagger also learns from the marginals of trained bundles on raw posts (distillation).
"""

from __future__ import annotations

import sys

from models.training.options import parse


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an option or a file is wrong."""
    options = parse(argv, __doc__)
    from models.training.train_bundle import train_bundle  # takes seconds: torch

    try:
        train_bundle(options, argv)
    except (ValueError, OSError) as error:
        print(f"models.train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
