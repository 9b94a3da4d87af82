"""Add the granularity of the words in pictures to a bundle: what `models.train_texts` does."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archive.digest import file_sha256
from models.datasets.captions import captions_file, read_captions
from models.datasets.conll import read_labelled
from models.datasets.labelled_post import LabelledPost
from models.datasets.type_names import TypeNames
from models.evaluation.scores import bootstrap_difference
from models.tagging.bundle import Bundle, load_bundle, save_bundle
from models.tagging.encoding import Encoder
from models.tagging.granularities import Source
from models.tagging.granularities.texts import TextsNetwork
from models.tagging.labels import ALIASES, spans_of
from models.tagging.tag_words import WordTagger
from models.tagging.tagger import Tagger
from models.training.config import TextsConfig
from models.training.text_examples import TextExample, text_examples
from models.training.texts import cross_validated, train_texts

CARD = """
## Words in pictures

Added to the bundle `{base}`, of which all else is unchanged, by

    python -m models.train_texts {command}

Micro F1 of exact spans on its {posts:,} labelled posts, by cross-validation with {folds} folds:

{scores}

SHA-256 of the files that it was trained from:

```
{hashes}
```
"""


def add_texts(options: argparse.Namespace, argv: list[str]) -> None:
    """Write a bundle that also reads the words in pictures, and print its scores.

    Args:
        options: of the command.
        argv: the options as they were given, for the model card.

    Raises:
        ValueError, OSError: an option or a file is wrong.
    """
    config = TextsConfig(**{field.name: getattr(options, field.name) for field in fields(TextsConfig)})
    if options.output.exists():
        raise ValueError(f"--output {options.output} exists: give another folder, or delete it")
    torch.set_num_threads(options.threads)
    base = load_bundle(options.base)
    if base.tagger.config.texts_width:
        raise ValueError(f"--base {options.base} has the granularity already: give the bundle that it was made from")
    data = _examples(options.data, base, config, options.threads)
    if not 2 <= options.folds <= len(data):
        raise ValueError(f"--folds {options.folds}: give 2 to {len(data)}, the number of posts")
    temperature = base.settings.temperature
    scores = _scores(data, cross_validated(base.tagger.crf, temperature, data, config, options.folds), config.seed)
    print(json.dumps(scores, indent=1))
    tagger = _with_texts(base, config)
    train_texts(tagger.texts, tagger.crf, temperature, data, config)
    shutil.copytree(options.base, options.output)
    save_bundle(options.output, replace(base.settings, name=options.output.name), tagger, base.tokenizer, base.table)
    files = [options.base / "config.json", *options.data, *map(captions_file, options.data)]
    with (options.output / "README.md").open("a", encoding="utf-8") as card:
        card.write(
            CARD.format(
                base=base.label,
                command=shlex.join(argv),
                posts=len(data),
                folds=options.folds,
                scores="\n".join(f"- {name}: {value}" for name, value in scores.items()),
                hashes="\n".join(f"{file_sha256(path)}  {'/'.join(path.parts[-2:])}" for path in files),
            )
        )


def _with_texts(base: Bundle, config: TextsConfig) -> Tagger:
    """Return the tagger of a bundle with a new granularity, which adds nothing yet."""
    tagger = Tagger(replace(base.tagger.config, texts_width=config.width), base.table.vectors if base.table else None)
    tagger.load_state_dict(base.tagger.state_dict(), strict=False)
    torch.manual_seed(config.seed)
    tagger.texts = TextsNetwork(tagger.combine.out_features, tagger.emissions.out_features, config.width, config.dropout)
    return tagger.eval()


@torch.inference_mode()
def _examples(paths: Sequence[Path], base: Bundle, config: TextsConfig, threads: int) -> list[TextExample]:
    """Return the labelled posts of files with the outputs of the base."""
    tagger, settings = _with_texts(base, config), base.settings
    source = Source((), np.zeros(0, np.int64), reads_grid=False, max_objects=0)
    encoder = Encoder(base.tokenizer, tagger.config, base.table, settings.max_pieces, settings.max_pictures, source)
    word_tagger = WordTagger(tagger, encoder, torch.device("cpu"), batch_size=32, threads=threads)
    names = TypeNames(tagger.config.types, {name: alias for name, alias in ALIASES.items() if name not in tagger.config.types})
    made = []
    for path in paths:
        posts: list[LabelledPost] = read_labelled(path, names)[0]
        made += text_examples(posts, read_captions(path), word_tagger)
    return made


def _scores(data: Sequence[TextExample], found: dict[str, list[list[Any]]], seed: int) -> dict[str, Any]:
    """Return F1 by condition, and differences with their 95 % intervals by a paired bootstrap over posts, in points."""
    gold = [spans_of(example.target.tolist()) for example in data]
    counts = {
        name: np.array([(len(set(a) & set(b)), len(a), len(b)) for a, b in zip(spans, gold, strict=True)]) for name, spans in found.items()
    }
    scores: dict[str, Any] = {}
    for name, other in (("own", "none"), ("another", "none"), ("own", "another")):
        one = bootstrap_difference(counts[name], counts[other], 1000, seed)
        scores |= {name: round(100 * one["f1"][0], 2), other: round(100 * one["f1"][1], 2)}
        scores[f"{name} - {other}"] = [round(100 * value, 2) for value in (one["difference"], *one["ci95"])]
    return scores
