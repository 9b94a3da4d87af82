"""The losses against enumeration of all tag paths, in float64 and one window at a time."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from models.tagging.crf import CRF
from models.tagging.tagger import Batch, Tagger, TaggerOutput
from models.training.examples import TrainingBatch
from models.training.losses import loss_of

NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
BOUNDARIES = ("O", "B", "I")
WORDS = [3, 1, 4]
SUBWORDS = 7
GOLD = [["B-PER", "I-PER", "O"], ["B-LOC"], ["O", "B-LOC", "I-LOC", "B-PER"]]


class FixedTagger(nn.Module):
    """Random CRFs, and emissions that do not depend on what is read."""

    def __init__(self, seed: int, auxiliary: bool) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.crf, self.auxiliary_crf = CRF(len(NAMES)), CRF(len(BOUNDARIES))
        for parameter in self.parameters():
            nn.init.normal_(parameter)
        emissions, boundary = (2 * torch.randn(len(WORDS), SUBWORDS, n) for n in (len(NAMES), len(BOUNDARIES)))
        self.output = TaggerOutput(emissions, boundary if auxiliary else None, ())

    def forward(self, _: Batch) -> TaggerOutput:
        return self.output


def batch_of(target: Tensor) -> TrainingBatch:
    """Windows whose words begin at other subwords in each."""
    nothing = torch.zeros(len(WORDS), SUBWORDS, dtype=torch.int64)
    word_index = torch.tensor([[1, 2, 5, 0], [3, 0, 0, 0], [1, 3, 4, 6]])
    word_mask = torch.arange(max(WORDS)) < torch.tensor(WORDS)[:, None]
    return TrainingBatch(Batch(nothing, nothing.bool(), nothing, nothing, ()), word_index, word_mask, target)


def path_probabilities(crf: CRF, emissions: Tensor, names: tuple[str, ...], starts: list[int]) -> dict[tuple[int, ...], float]:
    """Probability of each legal path of one window whose words begin at `starts`."""
    start, end, transitions = crf.start.tolist(), crf.end.tolist(), crf.transitions.tolist()
    rows = emissions.tolist()
    masses = {}
    for path in product(range(len(names)), repeat=len(starts)):
        tags = ["O", *(names[tag] for tag in path)]
        if any(b[0] == "I" and (a[0] == "O" or a[1:] != b[1:]) for a, b in pairwise(tags)):
            continue
        score = start[path[0]] + end[path[-1]] + sum(transitions[a][b] for a, b in pairwise(path))
        masses[path] = math.exp(score + sum(rows[subword][tag] for subword, tag in zip(starts, path, strict=True)))
    whole = math.fsum(masses.values())
    return {path: mass / whole for path, mass in masses.items()}


def marginals(probabilities: dict[tuple[int, ...], float], word: int) -> list[float]:
    return [math.fsum(p for path, p in probabilities.items() if path[word] == tag) for tag in range(len(NAMES))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("auxiliary", [True, False])
def test_loss_on_gold_tags_equals_enumeration(seed: int, auxiliary: bool) -> None:
    tagger = FixedTagger(seed, auxiliary)
    target = torch.full((len(WORDS), max(WORDS)), NAMES.index("I-LOC"))  # what stands past the last word counts nothing
    for row, gold in enumerate(GOLD):
        target[row, : len(gold)] = torch.tensor([NAMES.index(tag) for tag in gold])
    batch = batch_of(target)
    expected = 0.0
    for row, gold in enumerate(GOLD):
        starts = batch.word_index[row, : len(gold)].tolist()
        path = tuple(NAMES.index(tag) for tag in gold)
        expected -= math.log(path_probabilities(tagger.crf, tagger.output.emissions[row], NAMES, starts)[path])
        if tagger.output.auxiliary is not None:
            boundary = tuple(BOUNDARIES.index(tag[0]) for tag in gold)
            of_boundaries = path_probabilities(tagger.auxiliary_crf, tagger.output.auxiliary[row], BOUNDARIES, starts)
            expected -= 0.5 * math.log(of_boundaries[boundary])
    assert loss_of(cast(Tagger, tagger), batch).item() == pytest.approx(expected / len(GOLD), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_loss_on_a_teacher_s_marginals_equals_enumeration(seed: int) -> None:
    student, teacher = FixedTagger(seed, auxiliary=True), FixedTagger(seed + 100, auxiliary=False)
    target = torch.full((len(WORDS), max(WORDS), len(NAMES)), 0.2)
    batch = batch_of(target)
    expected = 0.0
    for row, words in enumerate(WORDS):
        starts = batch.word_index[row, :words].tolist()
        said, wanted = (path_probabilities(one.crf, one.output.emissions[row], NAMES, starts) for one in (student, teacher))
        for word in range(words):
            target[row, word] = torch.tensor(marginals(wanted, word))
            pairs = zip(marginals(wanted, word), marginals(said, word), strict=True)
            expected -= sum(p * math.log(q) for p, q in pairs if p)
    assert loss_of(cast(Tagger, student), batch).item() == pytest.approx(expected / len(WORDS), rel=1e-5)
