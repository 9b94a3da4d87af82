"""Linear-chain conditional random field over legal IOB2 sequences.

Lafferty et al., *Conditional random fields* (2001); forward-backward as in Rabiner (1989). Each routine loops over
positions, not over posts. It computes in float64, also inside autocast: in float32, the errors of a post of thousands of
words add up until its scores are wrong in the first digit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.tagging.labels import begin, inside, is_legal

IMPOSSIBLE = -1e4
"""Score of an illegal transition. Its exp() is 0 in float64, and sums of such scores stay finite."""


class CRF(nn.Module):
    """Scores, decodes and gives probabilities of tag sequences.

        score(y) = start[y_1] + sum_t E[t, y_t] + sum_t transitions[y_{t-1}, y_t] + end[y_n]
        p(y) = exp(score(y) / temperature) / Z

    The temperature (Guo et al. 2017) divides the whole score, so the best sequence does not depend on it.

    Args:
        tags: T, number of tags: O, then B and I of each type.
    """

    legal: Tensor
    legal_start: Tensor

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        legal = torch.tensor([[is_legal(i, j) for j in range(tags)] for i in range(tags)])
        self.register_buffer("legal", legal, persistent=False)
        self.register_buffer("legal_start", legal[0], persistent=False)

    def _scores(self, temperature: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        transitions = torch.where(self.legal, self.transitions.double() / temperature, IMPOSSIBLE)
        start = torch.where(self.legal_start, self.start.double() / temperature, IMPOSSIBLE)
        return start, transitions, self.end.double() / temperature

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """Return log p(tags | emissions) of each post.

        Args:
            emissions: (B, L, T).
            tags: (B, L) int64, a legal sequence; ignored where the mask is false.
            mask: (B, L) bool, true on words. The words come first in each row, and there is at least one.
            temperature: divides the whole score.

        Returns:
            (B,) float32.
        """
        emissions = emissions.double() / temperature
        start, transitions, end = scores = self._scores(temperature)
        tags = tags.masked_fill(~mask, 0)
        emitted = emissions.gather(2, tags[..., None])[..., 0]  # shape: (B, L)
        moved = transitions[tags[:, :-1], tags[:, 1:]]  # shape: (B, L - 1)
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]  # shape: (B,)
        score = start[tags[:, 0]] + (emitted * mask).sum(1) + (moved * mask[:, 1:]).sum(1) + end[last]
        return (score - _log_partition(_forward(emissions, mask, scores), end)).float()

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Return the best legal sequence (Viterbi): (B, L) int64, 0 where the mask is false. Of equal scores the lower tag wins."""
        emissions = emissions.double()
        start, transitions, end = self._scores()
        best = start + emissions[:, 0]  # shape: (B, T)
        stay = torch.arange(best.shape[1], device=best.device).expand_as(best)
        pointers = []
        for t in range(1, emissions.shape[1]):
            score, pointer = (best[:, :, None] + transitions).max(dim=1)  # shape: (B, T)
            on = mask[:, t, None]
            best = torch.where(on, score + emissions[:, t], best)
            pointers.append(torch.where(on, pointer, stay))
        tag = (best + end).argmax(dim=1)  # shape: (B,)
        path = [tag]
        for pointer in reversed(pointers):
            tag = pointer.gather(1, tag[:, None])[:, 0]
            path.append(tag)
        return torch.stack(path[::-1], dim=1).masked_fill(~mask, 0)

    def log_marginals(self, emissions: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """Return log p(y_t = tag | emissions): (B, L, T) float32, undefined where the mask is false."""
        emissions = emissions.double() / temperature
        scores = self._scores(temperature)
        alpha = _forward(emissions, mask, scores)
        return (alpha + _backward(emissions, mask, scores) - _log_partition(alpha, scores[2])[:, None, None]).float()

    def span_log_probabilities(self, emissions: Tensor, mask: Tensor, spans: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the log probability of each span as an entity: of all its tags, and of no I of its type after it.

        Args:
            emissions: (B, L, T).
            mask: (B, L) bool, as in `log_likelihood`.
            spans: (N, 4) int64: post, first word, last word, type.
            temperature: divides the whole score.

        Returns:
            (N,) float32, at most 0.
        """
        emissions = emissions.double() / temperature
        _, transitions, end = scores = self._scores(temperature)
        alpha = _forward(emissions, mask, scores)
        beta = _backward(emissions, mask, scores)
        post, first, last, kind = spans.unbind(1)
        b, i = begin(kind), inside(kind)
        run = emissions.cumsum(1)
        inner = run[post, last, i] - run[post, first, i] + (last > first) * transitions[b, i]
        inner = inner + (last - first - 1).clamp(min=0) * transitions[i, i]
        tail = torch.where(last > first, i, b)  # tag of the last word
        after = (last + 1).clamp(max=mask.shape[1] - 1)
        follow = transitions[tail] + emissions[post, after] + beta[post, after]  # shape: (N, T)
        follow = follow.scatter(1, i[:, None], IMPOSSIBLE).logsumexp(1)
        is_final = last + 1 == mask.sum(1)[post]
        outside = torch.where(is_final, end[tail], follow)
        return (alpha[post, first, b] + inner + outside - _log_partition(alpha, end)[post]).clamp(max=0).float()


def _forward(emissions: Tensor, mask: Tensor, scores: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return forward scores (B, L, T): log-sum-exp over all prefixes that end in a tag. They stay constant after the last word."""
    start, transitions, _ = scores
    alpha = [start + emissions[:, 0]]
    for t in range(1, emissions.shape[1]):
        step = (alpha[-1][:, :, None] + transitions).logsumexp(1) + emissions[:, t]
        alpha.append(torch.where(mask[:, t, None], step, alpha[-1]))
    return torch.stack(alpha, dim=1)


def _backward(emissions: Tensor, mask: Tensor, scores: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return backward scores (B, L, T): log-sum-exp over all suffixes after a tag."""
    _, transitions, end = scores
    beta = [end.expand(emissions.shape[0], -1)]
    for t in range(emissions.shape[1] - 1, 0, -1):
        step = (transitions + (emissions[:, t] + beta[-1])[:, None, :]).logsumexp(2)
        beta.append(torch.where(mask[:, t, None], step, beta[-1]))
    return torch.stack(beta[::-1], dim=1)


def _log_partition(alpha: Tensor, end: Tensor) -> Tensor:
    return (alpha[:, -1] + end).logsumexp(1)
