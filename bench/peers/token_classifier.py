"""A Hugging Face token classifier with the encoder of the shipped bundle, for the peers that people write by hand.

Its head is linear, as Hugging Face's own. It is fitted to our rows by least squares, so that it finds about as many
entities as the bundle does. How good it is does not matter here: what is compared is time.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from bench.peers.rows import Found, Row
from models.inference.options import ModelOptions
from models.tagging.labels import tags_of

RIDGE = 10.0

FITTED_TO = 300
"""Posts that the head is fitted to: the first ones."""


def write_token_classifier(folder: Path, texts: Mapping[str, str], rows: Mapping[str, Row]) -> None:
    """Write a token classifier and its tokenizer to a folder, fitted to the entities of rows.

    Args:
        folder: of the classifier.
        texts: of the posts, by id.
        rows: of the posts, by id.
    """
    import torch  # takes seconds, as transformers does
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    from models.loading import local_folder
    from models.tagging.bundle import load_bundle

    bundle = load_bundle(local_folder(ModelOptions().here().model))
    tokenizer = AutoTokenizer.from_pretrained(bundle.folder / "tokenizer", local_files_only=True)
    tags = tags_of(bundle.tagger.config.types)
    names = {"id2label": dict(enumerate(tags)), "label2id": {tag: number for number, tag in enumerate(tags)}}
    config = AutoConfig.for_model(**bundle.tagger.config.encoder | names)
    model = AutoModelForTokenClassification.from_config(config, dtype=torch.float32).eval()
    model.base_model.load_state_dict(bundle.tagger.encoder.state_dict())
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(local_folder(ModelOptions().here().model) / "tokenizer", local_files_only=True)
    inputs, targets = [], []
    with torch.inference_mode():
        for post_id, text in islice(texts.items(), FITTED_TO):
            encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True, truncation=True, max_length=128)
            offsets = encoded.pop("offset_mapping")[0].tolist()
            inputs.append(model.base_model(**encoded).last_hidden_state[0])
            targets += [tags.index(_tag(start, end, rows[post_id].entities)) for start, end in offsets]
        features = torch.cat(inputs).double()
        features = torch.cat([features, torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
        gold = torch.nn.functional.one_hot(torch.tensor(targets), len(tags)).double()
        square = features.T @ features + RIDGE * torch.eye(features.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(square, features.T @ gold).T.float()
        model.classifier.weight.copy_(weights[:, :-1])
        model.classifier.bias.copy_(weights[:, -1])
    disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tag(start: int, end: int, entities: tuple[Found, ...]) -> str:
    """Return the tag of a subword token of these code points."""
    for one in entities:
        first, last = one.place
        if first <= start < end <= last:
            return f"{'B' if start == first else 'I'}-{one.name}"
    return "O"


def load_token_classifier(folder: str, threads: int) -> Any:
    """Return the pipeline that people make of a token classifier."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True)
    return pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple", device="cpu")


def entities_of(found: list[dict[str, Any]]) -> tuple[Found, ...]:
    """Return the entities that the pipeline found in a text."""
    return tuple(Found(one["entity_group"], (one["start"], one["end"]), float(one["score"])) for one in found)
