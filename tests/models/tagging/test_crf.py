"""The CRF against enumeration of all paths, and against pytorch-crf where no transition is forbidden."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
import torchcrf

from models.tagging.crf import CRF
from models.tagging.labels import is_legal, spans_of

TAGS = 5  # two types


def random_crf(seed: int, tags: int = TAGS) -> CRF:
    torch.manual_seed(seed)
    crf = CRF(tags)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def random_batch(seed: int, lengths: list[int], tags: int = TAGS) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return 2 * torch.randn(len(lengths), max(lengths), tags), mask


def paths(crf: CRF, emissions: torch.Tensor) -> dict[tuple[int, ...], float]:
    """Every legal path of one post with its score, the slow way."""
    scores = {}
    for path in product(range(emissions.shape[1]), repeat=len(emissions)):
        if all(is_legal(a, b) for a, b in zip((0, *path), path, strict=False)):
            score = crf.start[path[0]] + crf.end[path[-1]] + sum(emissions[t, tag] for t, tag in enumerate(path))
            score = score + sum(crf.transitions[a, b] for a, b in pairwise(path))
            scores[path] = score.item()
    return scores


@pytest.fixture(params=range(3))
def case(request: pytest.FixtureRequest) -> tuple[CRF, torch.Tensor, torch.Tensor]:
    return random_crf(request.param), *random_batch(request.param + 100, [4, 1, 3, 5])


@torch.no_grad()
def test_equals_enumeration(case: tuple[CRF, torch.Tensor, torch.Tensor]) -> None:
    crf, emissions, mask = case
    decoded = crf.decode(emissions, mask)
    marginals = crf.log_marginals(emissions, mask).exp()
    for row, length in enumerate(mask.sum(1).tolist()):
        scores = paths(crf, emissions[row, :length])
        z = torch.logsumexp(torch.tensor(list(scores.values())), 0)
        best = max(scores, key=scores.__getitem__)
        assert tuple(decoded[row, :length].tolist()) == best
        tags = torch.zeros(1, emissions.shape[1], dtype=torch.int64)
        tags[0, :length] = torch.tensor(best)
        likelihood = crf.log_likelihood(emissions[row : row + 1], tags, mask[row : row + 1])
        assert likelihood.item() == pytest.approx(scores[best] - z.item(), abs=1e-4)
        for t, tag in product(range(length), range(TAGS)):
            expected = sum(torch.tensor(s - z.item()).exp().item() for path, s in scores.items() if path[t] == tag)
            assert marginals[row, t, tag].item() == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_span_probability_is_the_mass_of_all_paths_with_exactly_that_span(case: tuple[CRF, torch.Tensor, torch.Tensor]) -> None:
    crf, emissions, mask = case
    spans, expected = [], []
    for row, length in enumerate(mask.sum(1).tolist()):
        scores = paths(crf, emissions[row, :length])
        z = torch.logsumexp(torch.tensor(list(scores.values())), 0).item()
        for first, last, kind in ((f, la, k) for f in range(length) for la in range(f, length) for k in range(2)):
            spans.append((row, first, last, kind))
            mass = sum(torch.tensor(s - z).exp().item() for path, s in scores.items() if (first, last, kind) in spans_of(path))
            expected.append(mass)
    got = crf.span_log_probabilities(emissions, mask, torch.tensor(spans)).exp()
    torch.testing.assert_close(got, torch.tensor(expected), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_equals_pytorch_crf_where_all_is_legal() -> None:
    crf = random_crf(7)
    crf.legal.fill_(True)
    crf.legal_start.fill_(True)
    oracle = torchcrf.CRF(TAGS, batch_first=True)
    for mine, theirs in ((crf.start, oracle.start_transitions), (crf.end, oracle.end_transitions), (crf.transitions, oracle.transitions)):
        theirs.copy_(mine)
    emissions, mask = random_batch(8, [9, 2, 6])
    tags = torch.randint(0, TAGS, mask.shape)
    torch.testing.assert_close(crf.log_likelihood(emissions, tags, mask), oracle(emissions, tags, mask=mask, reduction="none"))
    decoded = crf.decode(emissions, mask).tolist()
    assert [path[:n] for path, n in zip(decoded, mask.sum(1).tolist(), strict=True)] == oracle.decode(emissions, mask=mask)


def test_an_illegal_path_is_never_decoded_and_gradients_stay_finite() -> None:
    crf = random_crf(3)
    emissions, mask = random_batch(4, [12, 5])
    emissions[:, :, 2] = 50  # an inside tag that nothing begins is what the emissions ask for
    emissions.requires_grad_(True)
    for path, length in zip(crf.decode(emissions, mask).tolist(), mask.sum(1).tolist(), strict=True):
        assert all(is_legal(a, b) for a, b in zip((0, *path[:length]), path[:length], strict=False))
    crf.log_likelihood(emissions, torch.zeros(2, 12, dtype=torch.int64), mask).sum().backward()
    assert emissions.grad is not None
    assert emissions.grad.isfinite().all()


@torch.no_grad()
def test_computes_in_float32_inside_bf16_autocast(case: tuple[CRF, torch.Tensor, torch.Tensor]) -> None:
    crf, emissions, mask = case
    with torch.autocast("cpu", torch.bfloat16):
        inside = crf.log_marginals(emissions, mask)
    assert torch.equal(inside, crf.log_marginals(emissions, mask))
