"""Score a tagger on valid examples during training."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from models.evaluation.calibration import fit_temperature
from models.tagging.encoding import Encoder
from models.tagging.labels import spans_of
from models.tagging.tagger import Tagger
from models.training.examples import Example, collate

BATCH_SIZE = 64


@torch.inference_mode()
def span_f1(tagger: Tagger, data: Sequence[Example], encoder: Encoder, device: torch.device, pictures: bool = True) -> float:
    """Return micro F1 of exact spans over words, with or without pictures. It chooses the epoch; `models.evaluate` reports more."""
    tagger.eval()
    correct = predicted = gold = 0
    for examples in _batches(data):
        batch = collate(examples, encoder, 0.0 if pictures else 1.0, random.Random(0)).to(device)
        paths = tagger.crf.decode(batch.words(tagger(batch.inputs).emissions), batch.word_mask).tolist()
        for example, path in zip(examples, paths, strict=True):
            found, wanted = set(spans_of(path[: len(example.target)])), set(spans_of(example.target.tolist()))
            correct, predicted, gold = correct + len(found & wanted), predicted + len(found), gold + len(wanted)
    return 2 * correct / max(predicted + gold, 1)


@torch.inference_mode()
def temperature(tagger: Tagger, data: Sequence[Example], encoder: Encoder, device: torch.device) -> float:
    """Fit the temperature of a tagger's CRF on labelled examples."""
    batches = []
    for examples in _batches(data):
        batch = collate(examples, encoder, 0.0, random.Random(0)).to(device)
        batches.append((batch.words(tagger(batch.inputs).emissions), batch.target, batch.word_mask))
    return fit_temperature(tagger.crf, batches)


def _batches(data: Sequence[Example]) -> list[list[Example]]:
    """Batch examples of similar length."""
    ordered = sorted(data, key=lambda example: len(example.window.subwords))
    return [ordered[start : start + BATCH_SIZE] for start in range(0, len(ordered), BATCH_SIZE)]
