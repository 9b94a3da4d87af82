"""Train the granularity of the words in pictures on a frozen tagger, and measure it by cross-validation."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.tagging.crf import CRF
from models.tagging.granularities.texts import TextsNetwork
from models.tagging.labels import Span, spans_of
from models.training.config import TextsConfig
from models.training.optimization import linear_schedule
from models.training.text_examples import TextBatch, TextExample, TextRows, collate_texts

SCORED_AT_ONCE = 64


def train_texts(network: TextsNetwork, crf: CRF, temperature: float, data: Sequence[TextExample], config: TextsConfig) -> None:
    """Train a new network in place; the CRF stays as it is.

    A post without words in its picture has the emissions of the tagger whatever the network does, so none is trained on.
    """
    crf.requires_grad_(False)
    chance = random.Random(config.seed)
    torch.manual_seed(config.seed)
    order = [example for example in data if example.rows]
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, linear_schedule(config.epochs * -(-len(order) // config.batch_size)))
    network.train()
    for _ in range(config.epochs):
        chance.shuffle(order)
        for start in range(0, len(order), config.batch_size):
            examples = order[start : start + config.batch_size]
            is_other = [chance.random() < config.others for _ in examples]
            pictures = [chance.choice(order) if other else example for example, other in zip(examples, is_other, strict=True)]
            batch = collate_texts(examples, [_drawn(example, config, chance) for example in pictures])
            batch = batch._replace(mask=batch.mask & (torch.rand(batch.mask.shape) >= config.word_dropout))
            loss = _loss(network(*batch[:5])[0], crf, temperature, batch, torch.tensor(is_other))
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    network.eval()


def _drawn(example: TextExample, config: TextsConfig, chance: random.Random) -> TextRows:
    assert example.rows is not None
    return example.rows[-1 if chance.random() < config.noise else 0]


def _loss(added: Tensor, crf: CRF, temperature: float, batch: TextBatch, is_other: Tensor) -> Tensor:
    """Return the mean of the negative log-likelihood with a post's own words, and of the squares of what others' words add."""
    own = -crf.log_likelihood(batch.emissions + added, batch.target, batch.word_mask, temperature)
    others = added.square().sum(2).masked_fill(~batch.word_mask, 0).sum(1)
    return torch.where(is_other, others, own).mean()


@torch.inference_mode()
def found_spans(
    network: TextsNetwork | None, crf: CRF, data: Sequence[TextExample], rows: Sequence[tuple[TextRows, ...] | None]
) -> list[list[Span]]:
    """Return the spans of each post, given the rows of its picture; by the tagger alone if there is no network."""
    found: list[list[Span]] = []
    for start in range(0, len(data), SCORED_AT_ONCE):
        examples = data[start : start + SCORED_AT_ONCE]
        batch = collate_texts(examples, [one[0] if one else None for one in rows[start : start + SCORED_AT_ONCE]])
        added = network(*batch[:5])[0] if network else 0.0
        paths = crf.decode(batch.emissions + added, batch.word_mask).tolist()
        found += [spans_of(path[: len(example.words)]) for example, path in zip(examples, paths, strict=True)]
    return found


def cross_validated(
    crf: CRF, temperature: float, data: Sequence[TextExample], config: TextsConfig, folds: int
) -> dict[str, list[list[Span]]]:
    """Return the spans of each post by networks that were trained on the other folds: with its `own`, `none` and `another`'s words.

    Args:
        crf, temperature: of the tagger.
        data: posts that the tagger was not trained on. Post i is in fold i % folds.
        config: of each network.
        folds: how many, at least 2 and at most as many as posts.
    """
    place = [*range(len(data))]
    random.Random(0).shuffle(place)
    spans: dict[str, list[list[Span]]] = {name: [[] for _ in data] for name in ("own", "none", "another")}
    for fold in range(folds):
        torch.manual_seed(config.seed)
        network = TextsNetwork(data[0].text.shape[1], data[0].emissions.shape[1], config.width, config.dropout)
        train_texts(network, crf, temperature, [data[i] for n, i in enumerate(place) if n % folds != fold], config)
        held = place[fold::folds]
        examples = [data[i] for i in held]
        own = [example.rows for example in examples]
        for name, rows in (("own", own), ("none", [None] * len(own)), ("another", own[1:] + own[:1])):
            for i, found in zip(held, found_spans(network, crf, examples, rows), strict=True):
                spans[name][i] = found
    return spans
