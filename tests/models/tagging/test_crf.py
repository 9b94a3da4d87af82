"""The CRF against enumeration of all paths, and against pytorch-crf where no transition is forbidden."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
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
def test_computes_in_full_precision_inside_bf16_autocast(case: tuple[CRF, torch.Tensor, torch.Tensor]) -> None:
    crf, emissions, mask = case
    with torch.autocast("cpu", torch.bfloat16):
        inside = crf.log_marginals(emissions, mask)
    assert torch.equal(inside, crf.log_marginals(emissions, mask))


def scaled_probabilities(crf: CRF, emissions: torch.Tensor, temperature: float) -> np.ndarray:
    """Marginals (L, T) by another recursion: products of probabilities in float64, scaled at each word (Rabiner 1989, section V.A)."""
    legal = np.array([[is_legal(a, b) for b in range(TAGS)] for a in range(TAGS)])
    moves = np.exp(crf.transitions.double().numpy() / temperature) * legal
    start = np.exp(crf.start.double().numpy() / temperature) * legal[0]
    emitted = np.exp(emissions.double().numpy() / temperature)
    forward, backward = np.zeros_like(emitted), np.zeros_like(emitted)
    for t in range(len(emitted)):
        forward[t] = (start if t == 0 else forward[t - 1] @ moves) * emitted[t]
        forward[t] /= forward[t].sum()
    backward[-1] = np.exp(crf.end.double().numpy() / temperature)
    for t in range(len(emitted) - 2, -1, -1):
        backward[t] = moves @ (emitted[t + 1] * backward[t + 1])
        backward[t] /= backward[t].sum()
    both = forward * backward
    return both / both.sum(1, keepdims=True)


@torch.no_grad()
@pytest.mark.parametrize("temperature", [1.0, 1.35])
def test_probabilities_of_a_post_of_5000_words(temperature: float) -> None:
    crf = random_crf(1)
    emissions, mask = random_batch(2, [5000])
    expected = scaled_probabilities(crf, emissions[0], temperature)
    marginals = crf.log_marginals(emissions, mask, temperature).exp()[0].numpy()
    np.testing.assert_allclose(marginals, expected, atol=1e-6)
    words = torch.arange(0, 5000, 97)
    spans = torch.stack([torch.zeros_like(words), words, words, torch.zeros_like(words)], 1)
    alone = crf.span_log_probabilities(emissions, mask, spans, temperature).exp().numpy()
    follows = np.array([expected_follow(crf, emissions[0], expected, int(word), temperature) for word in words])
    np.testing.assert_allclose(alone, follows, atol=1e-6)


def expected_follow(crf: CRF, emissions: torch.Tensor, marginals: np.ndarray, word: int, temperature: float) -> float:
    """Probability that B of the first type stands at a word and no I of it follows, by a second run without that I."""
    without = emissions.clone()
    if word + 1 < len(emissions):
        without[word + 1, 2] = -1e3  # no I of the first type there
    changed = scaled_probabilities(crf, without, temperature)
    # p(B, no I) = p'(B) p(no I after), and p(no I after) = 1 - p(I at the next word)
    return float(changed[word, 1] * (1 - marginals[word + 1, 2])) if word + 1 < len(emissions) else float(marginals[word, 1])


@torch.no_grad()
def test_marginals_of_20000_words_sum_to_1() -> None:
    emissions, mask = random_batch(3, [20_000])
    sums = random_crf(2).log_marginals(emissions, mask).exp().double().sum(2)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_temperature_sharpens_probabilities_of_the_same_best_path(
    case: tuple[CRF, torch.Tensor, torch.Tensor], temperature: float
) -> None:
    crf, emissions, mask = case
    decoded = crf.decode(emissions, mask)
    for row, length in enumerate(mask.sum(1).tolist()):
        scores = {path: score / temperature for path, score in paths(crf, emissions[row, :length]).items()}
        best = max(scores, key=scores.__getitem__)
        assert tuple(decoded[row, :length].tolist()) == best
        z = torch.logsumexp(torch.tensor(list(scores.values())), 0).item()
        tags = torch.zeros(1, emissions.shape[1], dtype=torch.int64)
        tags[0, :length] = torch.tensor(best)
        likelihood = crf.log_likelihood(emissions[row : row + 1], tags, mask[row : row + 1], temperature)
        assert likelihood.item() == pytest.approx(scores[best] - z, abs=1e-4)
