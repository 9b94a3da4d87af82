"""The training loop: steps, valid scores, the best epoch, and a state to resume from."""

from __future__ import annotations

import json
import math
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from models.evaluation.calibration import fit_temperature
from models.tagging.encoding import Encoder
from models.tagging.labels import spans_of
from models.tagging.tagger import Tagger
from models.training.checkpoint import Checkpoint
from models.training.config import TrainingConfig
from models.training.examples import Example, collate, drop_words, shuffled_batches
from models.training.losses import loss_of

SAVE_EVERY_S = 300.0
WARM_UP = 0.1
Tensors = tuple[Tensor, ...] | list[Tensor]
LAYER = re.compile(r"\.(?:layers?|h|blocks?)\.(\d+)\.")


class Training:
    """One run over labelled examples and, where there is a teacher, its examples beside them.

    Args:
        tagger: trained in place.
        encoder: of its texts and pictures.
        data: labelled examples.
        distilled: for each epoch, examples with marginals of a teacher; or empty.
        valid: labelled examples that choose the epoch.
        training_config: how to train.
        device: of the tagger.
    """

    def __init__(
        self,
        tagger: Tagger,
        encoder: Encoder,
        data: Sequence[Example],
        distilled: Sequence[Sequence[Example]],
        valid: Sequence[Example],
        training_config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self._tagger, self._encoder, self._data, self._distilled, self._valid = tagger, encoder, data, distilled, valid
        self._training_config, self._device = training_config, device
        if training_config.freeze_encoder:
            tagger.encoder.requires_grad_(False)
        self._optimizer = torch.optim.AdamW(parameter_groups(tagger, training_config), fused=True)
        steps = sum(-(-len(self._batches(epoch)) // training_config.accumulate) for epoch in range(training_config.epochs))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, schedule(steps))
        self._average = AveragedModel(tagger, multi_avg_fn=running_average(training_config.average))
        self._epoch, self._next, self._loss = 0, 0, 0.0
        self._best: dict[str, Tensor] = {}
        self.history: list[dict[str, Any]] = []

    def run(self, checkpoint: Checkpoint, save_every_s: float = SAVE_EVERY_S) -> None:
        """Train to the end, from the checkpoint's state if it has one; leave the best epoch's weights in the tagger."""
        if (state := checkpoint.load()) is not None:
            self._restore(state)
        saved = time.monotonic()
        while self._epoch < self._training_config.epochs and not self._stops_early():
            batches = self._batches(self._epoch)
            title = f"epoch {self._epoch + 1}/{self._training_config.epochs}"
            for index in tqdm(range(self._next, len(batches)), desc=title, initial=self._next, total=len(batches), disable=None):
                self._step(batches[index], index, last=index + 1 == len(batches))
                self._next = index + 1
                if time.monotonic() - saved > save_every_s and self._next % self._training_config.accumulate == 0:
                    checkpoint.save(self._state())
                    saved = time.monotonic()
            self._end_epoch(len(batches))
            checkpoint.save(self._state())
            saved = time.monotonic()
        self._tagger.load_state_dict(self._best)
        self._tagger.eval()

    @torch.inference_mode()
    def temperature(self) -> float:
        """Fit the temperature of the CRF on valid."""
        batches = []
        for chosen in _by_length(self._valid):
            batch = collate(chosen, self._encoder, 0.0, random.Random(0)).to(self._device)
            batches.append((batch.words(self._tagger(batch.inputs).emissions), batch.target, batch.word_mask))
        return fit_temperature(self._tagger.crf, batches)

    def _batches(self, epoch: int) -> list[list[Example]]:
        chance = random.Random(f"{self._training_config.seed} {epoch}")
        batches = shuffled_batches(self._data, self._training_config.batch_size, chance)
        if self._distilled:
            batches += shuffled_batches(self._distilled[epoch], self._training_config.batch_size, chance)
            chance.shuffle(batches)
        return batches

    def _step(self, chosen: list[Example], index: int, last: bool) -> None:
        training_config = self._training_config
        if index % training_config.accumulate == 0:
            self._tagger.train()
            if training_config.freeze_encoder:
                self._tagger.encoder.eval()
        chance = random.Random(f"{training_config.seed} {self._epoch} {index}")
        torch.manual_seed(chance.getrandbits(63))
        batch = collate(chosen, self._encoder, training_config.picture_dropout, chance)
        if training_config.word_dropout:
            batch = drop_words(batch, training_config.word_dropout, self._encoder.mask_token_id, self._encoder.special_token_ids)
        batch = batch.to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            loss = loss_of(self._tagger, batch)
        (loss / training_config.accumulate).backward()
        self._loss += loss.item()
        if (index + 1) % training_config.accumulate == 0 or last:
            nn.utils.clip_grad_norm_(self._tagger.parameters(), 1.0)
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad()
            self._average.update_parameters(self._tagger)

    def _end_epoch(self, batches: int) -> None:
        if not math.isfinite(self._loss):
            raise ValueError(f"the loss is no finite number in epoch {self._epoch + 1}: start anew with a smaller --lr or --head_lr")
        averaged: Tagger = self._average.module  # type: ignore[assignment]
        f1 = span_f1(averaged, self._valid, self._encoder, self._device)
        if f1 >= max((record["valid_f1"] for record in self.history), default=-1.0):
            self._best = {name: tensor.detach().clone() for name, tensor in averaged.state_dict().items()}
        self._epoch, self._next = self._epoch + 1, 0
        lr = max(group["lr"] for group in self._optimizer.param_groups)
        self.history.append({"epoch": self._epoch, "loss": self._loss / batches, "valid_f1": f1, "lr": lr})
        print(json.dumps({name: round(value, 6) for name, value in self.history[-1].items()}), file=sys.stderr, flush=True)
        self._loss = 0.0

    def _stops_early(self) -> bool:
        scores = [record["valid_f1"] for record in self.history]
        return (
            bool(self._training_config.patience and scores)
            and len(scores) - 1 - scores.index(max(scores)) >= self._training_config.patience
        )

    def _state(self) -> dict[str, Any]:
        return {
            "tagger": self._tagger.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "best": self._best,
            "place": (self._epoch, self._next, self._loss),
            "history": self.history,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._tagger.load_state_dict(state["tagger"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._best, self.history = state["best"], state["history"]
        self._epoch, self._next, self._loss = state["place"]


def parameter_groups(tagger: Tagger, training_config: TrainingConfig) -> list[dict[str, Any]]:
    """Trained parameters by learning rate and decay; the encoder's rates fall by `layer_decay` from its last layer down."""
    layers = tagger.encoder.config.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in tagger.named_parameters():
        if not parameter.requires_grad:
            continue
        lr = training_config.head_lr
        if name.startswith("encoder."):
            layer = LAYER.search(name)
            lr = training_config.lr * training_config.layer_decay ** (layers - (int(layer[1]) + 1 if layer else 0))
        groups.setdefault((lr, 0.0 if parameter.dim() < 2 else 0.01), []).append(parameter)
    return [{"params": parameters, "lr": lr, "weight_decay": decay} for (lr, decay), parameters in groups.items()]


def schedule(steps: int) -> Callable[[int], float]:
    """Factor of the learning rate at a step: up in a line over the first tenth, down in a line to 0, never below."""
    # Not transformers' get_linear_schedule_with_warmup: its first step has a rate of 0 and so trains nothing.
    warm_up = max(1, round(WARM_UP * steps))
    return lambda step: min((step + 1) / warm_up, max(0.0, (steps - step) / max(1, steps - warm_up)))


def running_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential running average of weights whose memory grows with the steps made, up to `decay`."""

    def update(average: Tensors, current: Tensors, count: Tensor | int) -> None:
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return update


@torch.inference_mode()
def span_f1(tagger: Tagger, data: Sequence[Example], encoder: Encoder, device: torch.device, pictures: bool = True) -> float:
    """Micro F1 of exact spans over words, for choosing among epochs; `models.evaluate` gives the scores to report."""
    tagger.eval()
    right = predicted = gold = 0
    for chosen in _by_length(data):
        batch = collate(chosen, encoder, 0.0 if pictures else 1.0, random.Random(0)).to(device)
        paths = tagger.crf.decode(batch.words(tagger(batch.inputs).emissions), batch.word_mask).tolist()
        for example, path in zip(chosen, paths, strict=True):
            found, wanted = set(spans_of(path[: len(example.target)])), set(spans_of(example.target.tolist()))
            right, predicted, gold = right + len(found & wanted), predicted + len(found), gold + len(wanted)
    return 2 * right / max(predicted + gold, 1)


def _by_length(data: Sequence[Example], batch_size: int = 64) -> list[list[Example]]:
    ordered = sorted(data, key=lambda example: len(example.window.subwords))
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
