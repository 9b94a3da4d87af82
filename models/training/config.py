"""Hyperparameters of training, without torch, which takes seconds to import."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SAVE_EVERY_S = 300.0
"""Seconds between saved states of a run, by default."""


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters of one training run.

    Attributes:
        epochs: passes over the labelled posts.
        batch_size: windows of text per forward pass.
        accumulate: forward passes per step of the optimizer.
        lr: learning rate of the encoder's last layer.
        head_lr: learning rate of all parameters outside the encoder.
        layer_decay: factor on `lr` for each layer further from the output.
        freeze_encoder: do not train the text encoder: eval mode, no gradient.
        ema_decay: decay of the exponential moving average (EMA) of the weights. The averaged weights are scored and saved.
        picture_dropout: share of posts that lose their pictures in a batch, so that posts without pictures are tagged well.
        word_dropout: share of words in a batch that become the mask token.
        case_noise: share of posts in a batch whose words are all in capitals, in lower case or in title case.
        patience: epochs without a better valid score before training stops; 0 never stops early.
        seed: of initial weights, dropout and the order of posts.
    """

    epochs: int = 8
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 1e-4
    head_lr: float = 1e-3
    layer_decay: float = 0.95
    freeze_encoder: bool = False
    ema_decay: float = 0.998
    picture_dropout: float = 0.3
    word_dropout: float = 0.0
    case_noise: float = 0.0
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges. Raises ValueError."""
        bounds = {
            **dict.fromkeys(("epochs", "batch_size", "accumulate"), (1, math.inf)),
            **dict.fromkeys(("lr", "head_lr", "patience"), (0, math.inf)),
            **dict.fromkeys(("layer_decay", "ema_decay", "picture_dropout", "word_dropout", "case_noise"), (0, 1)),
        }
        _check_ranges(self, bounds)


@dataclass(frozen=True)
class TextsConfig:
    """Hyperparameters of training the granularity of the words in pictures.

    Attributes:
        width: of the attention.
        epochs: passes over the posts.
        batch_size: posts per step.
        lr: learning rate at its highest.
        weight_decay: of all parameters.
        dropout: rate in the vectors.
        others: share of posts that get the words of another post's picture in a step, and learn to ignore them.
        noise: share of pictures whose words are in capitals, broken into lines.
        word_dropout: share of the words in pictures that are left out in a step.
        seed: of initial weights, dropout and the order of posts.
    """

    width: int = 32
    epochs: int = 6
    batch_size: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.1
    dropout: float = 0.3
    others: float = 0.5
    noise: float = 0.3
    word_dropout: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges. Raises ValueError."""
        bounds = {
            **dict.fromkeys(("width", "epochs", "batch_size"), (1, math.inf)),
            **dict.fromkeys(("lr", "weight_decay"), (0, math.inf)),
            **dict.fromkeys(("dropout", "others", "noise", "word_dropout"), (0, 1)),
        }
        _check_ranges(self, bounds)


def _check_ranges(config: Any, bounds: Mapping[str, tuple[float, float]]) -> None:
    for name, (least, most) in bounds.items():
        value = getattr(config, name)
        if not least <= value <= most or math.isinf(value):
            raise ValueError(f"--{name} {value}: give {least} {'or more' if most == math.inf else f'to {most}'}")
