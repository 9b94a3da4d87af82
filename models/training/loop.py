"""The training loop: optimizer steps, the choice of the best epoch, and the state to resume from."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from models.tagging.encoding import Encoder
from models.tagging.tagger import Tagger
from models.training.case_noise import with_case_noise
from models.training.checkpoint import Checkpoint
from models.training.config import SAVE_EVERY_S, TrainingConfig
from models.training.examples import Example, collate, drop_words, shuffled_batches
from models.training.losses import loss_of
from models.training.optimization import exponential_moving_average, linear_schedule, mixed_precision, parameter_groups
from models.training.validation import span_f1


class Training:
    """One training run on labelled examples and, with teachers, distilled examples.

    Args:
        tagger: is trained in place.
        encoder: of the tagger.
        data: labelled examples.
        distilled: examples with the marginals of teachers for each epoch; empty without teachers.
        valid: labelled examples that choose the best epoch. Without any, the last epoch is kept.
        config: hyperparameters.
        device: of the tagger.

    Attributes:
        history: one record per epoch: `epoch`, `loss` (mean over batches), `valid_f1` (0 to 1; with valid examples), `lr`.
    """

    def __init__(
        self,
        tagger: Tagger,
        encoder: Encoder,
        data: Sequence[Example],
        distilled: Sequence[Sequence[Example]],
        valid: Sequence[Example],
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self._tagger, self._encoder, self._data, self._distilled, self._valid = tagger, encoder, data, distilled, valid
        self._config, self._device = config, device
        if config.freeze_encoder:
            tagger.encoder.requires_grad_(False)
        self._optimizer = torch.optim.AdamW(parameter_groups(tagger, config), fused=True)
        steps = sum(-(-len(self._batches(epoch)) // config.accumulate) for epoch in range(config.epochs))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, linear_schedule(steps))
        self._average = AveragedModel(tagger, multi_avg_fn=exponential_moving_average(config.ema_decay))
        self._epoch, self._next, self._loss = 0, 0, 0.0
        self._best: dict[str, Tensor] = {}
        self.history: list[dict[str, Any]] = []

    def run(self, checkpoint: Checkpoint, save_every_s: float = SAVE_EVERY_S) -> None:
        """Train to the end, from the state of the checkpoint if it has one. The tagger then has the weights of the best epoch.

        Raises:
            ValueError: the loss became infinite or NaN.
        """
        if (state := checkpoint.load()) is not None:
            self._restore(state)
        saved = time.monotonic()
        while self._epoch < self._config.epochs and not self._stops_early():
            batches = self._batches(self._epoch)
            title = f"epoch {self._epoch + 1}/{self._config.epochs}"
            for index in tqdm(range(self._next, len(batches)), desc=title, initial=self._next, total=len(batches), disable=None):
                self._step(batches[index], index, last=index + 1 == len(batches))
                self._next = index + 1
                if time.monotonic() - saved > save_every_s and self._next % self._config.accumulate == 0:
                    checkpoint.save(self._state())
                    saved = time.monotonic()
            self._end_epoch(len(batches))
            checkpoint.save(self._state())
            saved = time.monotonic()
        self._tagger.load_state_dict(self._best)
        self._tagger.eval()

    def _batches(self, epoch: int) -> list[list[Example]]:
        chance = random.Random(f"{self._config.seed} {epoch}")
        batches = shuffled_batches(self._data, self._config.batch_size, chance)
        if self._distilled:
            batches += shuffled_batches(self._distilled[epoch], self._config.batch_size, chance)
            chance.shuffle(batches)
        return batches

    def _step(self, examples: list[Example], index: int, last: bool) -> None:
        config = self._config
        if index % config.accumulate == 0:
            self._tagger.train()
            if config.freeze_encoder:
                self._tagger.encoder.eval()
        chance = random.Random(f"{config.seed} {self._epoch} {index}")
        torch.manual_seed(chance.getrandbits(63))
        if config.case_noise:
            examples = with_case_noise(examples, self._encoder, config.case_noise, chance)
        batch = collate(examples, self._encoder, config.picture_dropout, chance)
        if config.word_dropout:
            batch = drop_words(batch, config.word_dropout, self._encoder.mask_token_id, self._encoder.special_token_ids)
        batch = batch.to(self._device)
        with mixed_precision(self._device):
            loss = loss_of(self._tagger, batch)
        (loss / config.accumulate).backward()
        self._loss += loss.item()
        if (index + 1) % config.accumulate == 0 or last:
            nn.utils.clip_grad_norm_(self._tagger.parameters(), 1.0)
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad()
            self._average.update_parameters(self._tagger)

    def _end_epoch(self, batches: int) -> None:
        if not math.isfinite(self._loss):
            raise ValueError(f"the loss is no finite number in epoch {self._epoch + 1}: start again with a smaller --lr or --head_lr")
        averaged: Tagger = self._average.module  # type: ignore[assignment]
        record = {"epoch": self._epoch + 1, "loss": self._loss / batches}
        if self._valid:
            record["valid_f1"] = span_f1(averaged, self._valid, self._encoder, self._device)
        if not self._valid or record["valid_f1"] >= max((earlier["valid_f1"] for earlier in self.history), default=-1.0):
            self._best = {name: tensor.detach().clone() for name, tensor in averaged.state_dict().items()}
        self._epoch, self._next = self._epoch + 1, 0
        self.history.append({**record, "lr": max(group["lr"] for group in self._optimizer.param_groups)})
        print(json.dumps({name: round(value, 6) for name, value in self.history[-1].items()}), file=sys.stderr, flush=True)
        self._loss = 0.0

    def _stops_early(self) -> bool:
        scores = [record["valid_f1"] for record in self.history if "valid_f1" in record]
        return bool(self._config.patience and scores) and len(scores) - 1 - scores.index(max(scores)) >= self._config.patience

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
