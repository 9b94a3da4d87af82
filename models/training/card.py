"""Write the model card of a bundle: the command that trained it, its scores, and the hashes of its data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.datasets.labelled_post import LabelledPost

CARD = """\
---
{front}---

# {name}

Tagger of named entities ({types}) in social-media posts and their pictures, by the method of
*Multi-granularity cross-modality representation learning for named entity recognition on social media* (arXiv 2210.14163).

Trained on {tweets} tweets ({orphans} orphan I- repaired), {pictures} pictures, with seed {seed}, by

    {command}

{held_out}Micro F1 of exact spans over words on the valid sets, weights as stored, entities of any score. `models.evaluate` gives more,
without entities below `min_score`:

| valid set | with pictures | without |
|---|---|---|
{scores}

{kept} (`curves.png`):

| epoch | loss | valid F1 |
|---|---|---|
{history}

SHA-256 of the files that it was trained from:

```
{hashes}
```
"""


HELD_OUT = """\
The valid posts were learnt too. The scores, the temperature and `min_score` are those of `{name}`, which was trained in the
same way without them.

"""


def card(
    name: str,
    types: Sequence[str],
    encoder: str,
    language: str | None,
    argv: list[str],
    seed: int,
    read: Sequence[tuple[Path, tuple[list[LabelledPost], Any]]],
    hashes: dict[str, str],
    pictures: int,
    scores: dict[Path, list[float]],
    history: list[dict[str, Any]],
    held_out: str | None,
) -> str:
    """Return the model card of a bundle, Markdown.

    Args:
        name: of the bundle.
        types: entity types.
        encoder: Hugging Face text encoder, or folder, that it was trained from.
        language: ISO 639 code of the labelled posts, if it is known.
        argv: of the training command.
        seed: of the run.
        read: folders with the tweets that were learnt and the counts of repairs, from `read_conll`.
        hashes: SHA-256 by path of each file that the bundle was trained from.
        pictures: number of pictures whose features were used.
        scores: valid F1 by folder, with pictures and without, 0 to 1.
        history: one record per epoch, from `Training.history`.
        held_out: label of the bundle that the scores are of, if this one learnt the valid posts.
    """
    front = front_matter(encoder, language, list(dict.fromkeys(folder.name for folder, _ in read)))
    return CARD.format(
        front=front,
        name=name,
        types=", ".join(types),
        command="python -m models.train " + shlex.join(argv),
        seed=seed,
        tweets=sum(len(posts) for _, (posts, _) in read),
        orphans=sum(repaired["orphan_inside"] for _, (_, repaired) in read),
        pictures=pictures,
        scores="\n".join(
            f"| {folder.name} | {100 * with_pictures:.2f} | {100 * without:.2f} |" for folder, (with_pictures, without) in scores.items()
        ),
        held_out=HELD_OUT.format(name=held_out) if held_out else "",
        kept="The last epoch is kept" if held_out else "The epoch with the best score on all valid sets together is kept",
        history="\n".join(
            f"| {r['epoch']} | {r['loss']:.3f} | {'' if held_out else format(100 * r['valid_f1'], '.2f')} |" for r in history
        ),
        hashes="\n".join(f"{digest}  {'/'.join(Path(path).parts[-2:])}" for path, digest in hashes.items()),
    )


def front_matter(encoder: str, language: str | None, datasets: Sequence[str]) -> str:
    """Return the fields by which the Hugging Face hub lists a bundle, YAML. Its lists are written as JSON, which YAML includes.

    The licence is left open (`other`): it is that of the encoder and of the data.
    """
    fields = {
        "language": language,
        "license": "other",
        "library_name": "postner",
        "pipeline_tag": "token-classification",
        "tags": ["postner", "named-entity-recognition", "multimodal", "social-media"],
        "datasets": list(datasets),
        "metrics": ["f1", "precision", "recall"],
        "base_model": encoder,
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items() if value)
