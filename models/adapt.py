"""Adapt a text encoder to posts by masked-language modelling on raw texts (Devlin et al. 2019, Gururangan et al. 2020).

    python -m models.adapt --encoder FOLDER_OR_ID --posts tweets.tsv.gz --output FOLDER

Files are .jsonl with `text`, .tsv (last column), or one text per line, compressed or not. Texts are split into words as in
the tagger. The result is an encoder for `models.train --encoder`. Its adapt.json has the loss on held-out posts before and
after. An interrupted run resumes when you repeat the command, with the same result.
"""

from __future__ import annotations

import sys
from pathlib import Path

from archive.command_line import Parser
from models.inference.devices import usable_cores
from models.training.config import SAVE_EVERY_S


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an option or a file is wrong."""
    parser = _parser()
    options = parser.parse_args(argv)
    for name in ("texts", "held_out", "batch_size", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: give 1 or more")
    from models.training.adapt_encoder import adapt_encoder  # takes seconds: torch

    try:
        adapt_encoder(options, argv)
    except (ValueError, OSError) as error:
        print(f"models.adapt: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser("models.adapt", __doc__)
    add = parser.add_argument
    add("--encoder", required=True, help="Hugging Face text encoder: folder or hub id; without a masked-language head it gets a new one")
    add("--posts", type=Path, nargs="+", required=True, help="files of raw posts")
    add("--output", type=Path, required=True, help="folder of the adapted encoder")
    add("--texts", type=int, default=100_000, help="number of different texts to train on, each once")
    add("--held_out", type=int, default=1000, help="number of further texts for the loss before and after")
    add("--batch_size", type=int, default=32)
    add("--max_pieces", type=int, default=64, help="longest text in subwords; longer ones are cut")
    add("--lr", type=float, default=1e-4)
    add("--save_every_s", type=float, default=SAVE_EVERY_S, help="seconds between saved states")
    add("--seed", type=int, default=0)
    add("--device", default="cpu", help="auto, cpu, cuda, cuda:N")
    add("--threads", type=int, default=usable_cores())
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
