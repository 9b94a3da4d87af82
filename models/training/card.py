"""Write the model card of a bundle: the command that trained it, its scores, and the hashes of its data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from models.datasets.conll import LabelledPost

CARD = """\
# {name}

Tagger of named entities (PER, LOC, ORG, MISC) in social-media posts and their pictures, by the method of
*Multi-granularity cross-modality representation learning for named entity recognition on social media* (arXiv 2210.14163).

Trained on {tweets} tweets ({orphans} orphan I- repaired), {pictures} pictures, with seed {seed}, by

    {command}

Micro F1 of exact spans over words on the valid sets, weights as stored (`models.evaluate` gives more):

| valid set | with pictures | without |
|---|---|---|
{scores}

The epoch with the best score on all valid sets together is kept (`curves.png`):

| epoch | loss | valid F1 |
|---|---|---|
{history}

SHA-256 of the files that it was trained from:

```
{hashes}
```
"""


def card(
    name: str,
    argv: list[str],
    seed: int,
    read: dict[Path, tuple[list[LabelledPost], Any]],
    hashes: dict[str, str],
    pictures: int,
    scores: dict[Path, list[float]],
    history: list[dict[str, Any]],
) -> str:
    """Return the model card of a bundle, Markdown.

    Args:
        name: of the bundle.
        argv: of the training command.
        seed: of the run.
        read: by training folder, its tweets and the counts of repairs, from `read_conll`.
        hashes: SHA-256 by path of each file that the bundle was trained from.
        pictures: number of pictures whose features were used.
        scores: valid F1 by folder, with pictures and without, 0 to 1.
        history: one record per epoch, from `Training.history`.
    """
    return CARD.format(
        name=name,
        command="python -m models.train " + shlex.join(argv),
        seed=seed,
        tweets=sum(len(posts) for posts, _ in read.values()),
        orphans=sum(repaired["orphan_inside"] for _, repaired in read.values()),
        pictures=pictures,
        scores="\n".join(
            f"| {folder.name} | {100 * with_pictures:.2f} | {100 * without:.2f} |" for folder, (with_pictures, without) in scores.items()
        ),
        history="\n".join(f"| {r['epoch']} | {r['loss']:.3f} | {100 * r['valid_f1']:.2f} |" for r in history),
        hashes="\n".join(f"{digest}  {'/'.join(Path(path).parts[-2:])}" for path, digest in hashes.items()),
    )
