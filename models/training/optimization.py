"""The optimisation of training: parameter groups, learning rate schedule, moving average of the weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.inference.precision import float_precision
from models.tagging.tagger import Tagger
from models.training.config import TrainingConfig

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""

WEIGHT_DECAY = 0.01
ENCODER_LAYER = re.compile(r"\.(?:layers?|h|blocks?)\.(\d+)\.")
"""Number of the layer in the name of an encoder's parameter."""

Tensors = tuple[Tensor, ...] | list[Tensor]


def parameter_groups(tagger: Tagger, config: TrainingConfig) -> list[dict[str, Any]]:
    """Group the trained parameters by learning rate and weight decay.

    The encoder's last layer has the rate `lr`. Each layer below it has `layer_decay` times the rate of the one above.
    """
    layers = tagger.encoder.config.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in tagger.named_parameters():
        if not parameter.requires_grad:
            continue
        lr = config.head_lr
        if name.startswith("encoder."):
            layer = ENCODER_LAYER.search(name)
            lr = config.lr * config.layer_decay ** (layers - (int(layer[1]) + 1 if layer else 0))
        groups.setdefault((lr, 0.0 if parameter.dim() < 2 else WEIGHT_DECAY), []).append(parameter)
    return [{"params": parameters, "lr": lr, "weight_decay": decay} for (lr, decay), parameters in groups.items()]


def linear_schedule(steps: int) -> Callable[[int], float]:
    """Return the learning rate factor of a step: it rises linearly in the first tenth, then falls linearly to 0."""
    # Not transformers' get_linear_schedule_with_warmup: its first step has a rate of 0, so it trains nothing.
    warm_up = max(1, round(WARM_UP * steps))
    return lambda step: min((step + 1) / warm_up, max(0.0, (steps - step) / max(1, steps - warm_up)))


def exponential_moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return the update of an EMA of weights for `AveragedModel`. Its decay rises with the steps, up to `decay`."""

    def update(average: Tensors, current: Tensors, count: Tensor | int) -> None:
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return update


def mixed_precision(device: torch.device) -> torch.autocast:
    """Return a context in which matrix products are in bfloat16, if the device computes faster in it than in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=float_precision(device.type) == "bfloat16")
