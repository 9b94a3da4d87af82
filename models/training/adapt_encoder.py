"""Adapt a text encoder to posts by masked-language modelling: what `models.adapt` does."""

from __future__ import annotations

import argparse
import json
import math
import random
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from archive.digest import file_sha256
from models.datasets.raw_posts import sample_texts
from models.inference.devices import usable_device
from models.loading.text_encoder import be_quiet, not_loaded
from models.tagging.words import split_words
from models.training.checkpoint import Checkpoint
from models.training.masking import masked_losses
from models.training.optimization import linear_schedule

TOKENISER_BATCH_SIZE = 1000
"""Texts per call of the tokenizer, whose output takes 7 kB per text until it is freed."""


def adapt_encoder(options: argparse.Namespace, argv: list[str]) -> None:
    """Adapt an encoder, or resume its adaptation.

    Args:
        options: of the command, checked.
        argv: the options as they were given, for `adapt.json`.

    Raises:
        ValueError, OSError: an option or a file is wrong.
    """
    be_quiet()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    model, tokenizer = load_encoder(options.encoder, options.max_pieces)
    model.to(usable_device(options.device))
    texts = sample_texts(options.posts, options.texts + options.held_out, options.seed)
    hashes = {str(path): file_sha256(path) for path in options.posts}
    checkpoint = Checkpoint(options.output, json.dumps([argv, hashes], indent=1))
    subwords = tokenise(texts, tokenizer, options.max_pieces)
    training, held_out = subwords[options.held_out :], subwords[: options.held_out]
    batches = _batches(training, options.batch_size, options.seed)
    before = held_out_loss(model, held_out, tokenizer, options.batch_size)
    _train(model, batches, tokenizer, options, checkpoint)
    after = held_out_loss(model, held_out, tokenizer, options.batch_size)
    if not math.isfinite(after):
        raise ValueError(f"the loss became {after} with --lr {options.lr}: give a smaller one and another --output")
    model.base_model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    report = {
        "command": "python -m models.adapt " + shlex.join(argv),
        "seed": options.seed,
        "texts": len(training),
        "held_out_loss": {"before": round(before, 4), "after": round(after, 4)},
        "sha256": hashes,
    }
    (options.output / "adapt.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    shutil.copymode(options.output / "adapt.json", options.output / "model.safetensors")  # safetensors writes for its owner alone
    print(json.dumps(report["held_out_loss"]), file=sys.stderr)
    checkpoint.remove()


def load_encoder(encoder: str, max_subwords: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a masked-language model in float32 and its tokenizer.

    Raises:
        ValueError: the encoder does not exist, cannot be trained in this way, or reads fewer than `max_subwords`.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder, add_prefix_space=True)
        model, found = AutoModelForMaskedLM.from_pretrained(encoder, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise ValueError(not_loaded(encoder, error)) from error
    if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise ValueError(f"--encoder {encoder}: its tokenizer has no mask token or no padding token: give an encoder like BERT")
    longest = min(getattr(model.config, "max_position_embeddings", math.inf), tokenizer.model_max_length)
    if not 3 <= max_subwords <= longest:
        raise ValueError(f"--max_pieces {max_subwords}: {encoder} reads from 3 to {longest}")
    if found["missing_keys"]:
        print(f"{encoder} has no masked-language head: a new one is trained, with the weights of its embeddings", file=sys.stderr)
    return model, tokenizer


def _train(
    model: PreTrainedModel,
    batches: list[list[np.ndarray]],
    tokenizer: PreTrainedTokenizerBase,
    options: argparse.Namespace,
    checkpoint: Checkpoint,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, linear_schedule(len(batches)))
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    done = 0
    if (state := checkpoint.load()) is not None:
        done = state.pop("done")
        for name, values in state.items():
            parts[name].load_state_dict(values)
    saved = time.monotonic()
    model.train()
    for step in tqdm(range(done, len(batches)), desc="adapt", initial=done, total=len(batches), disable=None):
        torch.manual_seed(
            random.Random(f"{options.seed} {step}").getrandbits(63)
        )  # dropout and masks depend on the step alone, so training can resume at any step
        losses = masked_losses(model, batches[step], tokenizer)
        (losses.sum() / max(len(losses), 1)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        if time.monotonic() - saved > options.save_every_s:
            checkpoint.save({name: part.state_dict() for name, part in parts.items()} | {"done": step + 1})
            saved = time.monotonic()


@torch.inference_mode()
def held_out_loss(model: PreTrainedModel, texts: Sequence[np.ndarray], tokenizer: PreTrainedTokenizerBase, batch_size: int) -> float:
    """Return the mean cross-entropy of masked subwords. The masks are the same for any model with this tokenizer."""
    model.eval()
    losses = []
    for step, batch in enumerate(_batches(texts, batch_size, seed=0)):
        torch.manual_seed(step)
        losses.append(masked_losses(model, batch, tokenizer))
    return torch.cat(losses).mean().item()


def tokenise(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, longest: int) -> list[np.ndarray]:
    """Return the subword ids of each text, (L,) int32, at most `longest`. Texts are split into words as in the tagger."""
    subwords: list[np.ndarray] = []
    for start in tqdm(range(0, len(texts), TOKENISER_BATCH_SIZE), desc="tokenise", disable=None):
        words = [[text[a:b] for a, b in split_words(text)] or [""] for text in texts[start : start + TOKENISER_BATCH_SIZE]]
        ids = tokenizer(words, is_split_into_words=True, truncation=True, max_length=longest)["input_ids"]
        subwords += [np.array(of_text, np.int32) for of_text in ids]
    return subwords


def _batches(texts: Sequence[np.ndarray], batch_size: int, seed: int) -> list[list[np.ndarray]]:
    """Return batches of texts of similar length, in random order."""
    chance = random.Random(seed)
    order = chance.sample(list(texts), len(texts))
    batches = []
    for start in range(0, len(order), 64 * batch_size):
        pool = sorted(order[start : start + 64 * batch_size], key=len)
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    chance.shuffle(batches)
    return batches
