"""How a tagger is trained: every choice that is not the model's, the data's or the machine's."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """Choices of one training run.

    Attributes:
        epochs: passes over the labelled posts.
        batch_size: windows of text per forward pass.
        accumulate: forward passes per step of the optimizer.
        lr: learning rate of the encoder's last layer.
        head_lr: of everything that is not the encoder.
        layer_decay: factor by which `lr` falls with each layer towards the embeddings.
        freeze_encoder: keep the text encoder as it is, in eval mode and without gradient.
        average: decay of the running average of the weights, which is what is scored and kept.
        picture_dropout: share of posts that lose their pictures in a batch, so that posts without are tagged well.
        word_dropout: share of words that are made unknown in a batch.
        patience: epochs without a better valid score before training stops; 0 never stops early.
        seed: of weights, dropout, order.
    """

    epochs: int = 8
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 1e-4
    head_lr: float = 1e-3
    layer_decay: float = 0.95
    freeze_encoder: bool = False
    average: float = 0.998
    picture_dropout: float = 0.3
    word_dropout: float = 0.0
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for a choice that no run can be made with."""
        bounds = {
            **dict.fromkeys(("epochs", "batch_size", "accumulate"), (1, math.inf)),
            **dict.fromkeys(("lr", "head_lr", "patience"), (0, math.inf)),
            **dict.fromkeys(("layer_decay", "average", "picture_dropout", "word_dropout"), (0, 1)),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most or math.isinf(getattr(self, name)):
                raise ValueError(f"--{name} {getattr(self, name)}: give {least} {'or more' if most == math.inf else f'to {most}'}")
