"""Adapt a text encoder to posts: masked-language training on raw texts (Devlin et al. 2019, Gururangan et al. 2020).

    python -m models.adapt --encoder FOLDER_OR_ID --posts tweets.tsv.gz --output FOLDER

Files are .jsonl with `text`, .tsv (last column), or a text a line, compressed or not. Texts are cut into the words that the
tagger reads. FOLDER is then an encoder for `models.train --encoder`. A run that was killed goes on when the command is
repeated, to the same result.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerBase

from models.loading import usable_cores
from models.training.checkpoint import Checkpoint
from models.training.loop import SAVE_EVERY_S, schedule
from models.training.raw_posts import sample_texts
from models.words import split_words

MASKED, BECOMES_MASK, BECOMES_RANDOM = 0.15, 0.8, 0.1
NOT_JUDGED = -100
"""Label that cross-entropy leaves out."""


def main(argv: list[str]) -> int:
    """The command."""
    options = _parser().parse_args(argv)
    try:
        _adapt(options, argv)
    except (ValueError, OSError) as error:
        print(f"models.adapt: {error}", file=sys.stderr)
        return 2
    return 0


def _adapt(options: argparse.Namespace, argv: list[str]) -> None:
    checkpoint = Checkpoint(options.output, json.dumps(argv))
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.encoder)
    device = torch.device(options.device)
    model = AutoModelForMaskedLM.from_pretrained(options.encoder).to(device)
    texts = sample_texts(options.posts, options.texts + options.held_out, options.seed)
    pieces = _pieces(texts, tokenizer, options.max_pieces)
    training, held_out = pieces[options.held_out :], pieces[: options.held_out]
    batches = _batches(training, options.batch_size, options.seed)
    before = held_out_loss(model, held_out, tokenizer, options.batch_size)
    _train(model, batches, tokenizer, options, checkpoint)
    after = held_out_loss(model, held_out, tokenizer, options.batch_size)
    model.base_model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    told = {
        "command": "python -m models.adapt " + shlex.join(argv),
        "texts": len(training),
        "held_out_loss": {"before": round(before, 4), "after": round(after, 4)},
    }
    (options.output / "adapt.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told["held_out_loss"]), file=sys.stderr)
    checkpoint.remove()


def _train(model: nn.Module, batches: list[list[list[int]]], tokenizer: Any, options: argparse.Namespace, checkpoint: Checkpoint) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(len(batches)))
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    done = 0
    if (state := checkpoint.load()) is not None:
        done = state.pop("done")
        for name, values in state.items():
            parts[name].load_state_dict(values)
    device = next(model.parameters()).device
    saved = time.monotonic()
    model.train()
    for step in tqdm(range(done, len(batches)), desc="adapt", initial=done, total=len(batches), disable=None):
        torch.manual_seed(random.Random(f"{options.seed} {step}").getrandbits(63))  # of dropout and masks, so that any step can be resumed
        loss = _loss(model, batches[step], tokenizer, device)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        if time.monotonic() - saved > options.save_every_s:
            checkpoint.save({name: part.state_dict() for name, part in parts.items()} | {"done": step + 1})
            saved = time.monotonic()


@torch.inference_mode()
def held_out_loss(model: nn.Module, texts: Sequence[list[int]], tokenizer: Any, batch_size: int) -> float:
    """Mean cross-entropy of masked pieces, the same masks for any model of this tokenizer."""
    model.eval()
    device = next(model.parameters()).device
    losses = []
    for step, batch in enumerate(_batches(texts, batch_size, seed=0)):
        torch.manual_seed(step)
        losses.append(_loss(model, batch, tokenizer, device).item())
    return sum(losses) / len(losses)


def mask_pieces(pieces: Tensor, special: Tensor, mask_id: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of masked-language training: of 15 % of the pieces 80 % are hidden, 10 % are others, 10 % stay.

    Args:
        pieces: (B, L) int64.
        special: (B, L) bool, pieces that are left alone.
        mask_id: the piece that hides.
        vocabulary: number of pieces.
    """
    chance = torch.rand(pieces.shape).masked_fill(special, 1)
    chosen = chance < MASKED
    becomes_other = chance < MASKED * (BECOMES_MASK + BECOMES_RANDOM)
    inputs = torch.where(becomes_other, torch.randint(vocabulary, pieces.shape), pieces)
    inputs = inputs.masked_fill(chance < MASKED * BECOMES_MASK, mask_id)
    return inputs, pieces.masked_fill(~chosen, NOT_JUDGED)


def _loss(model: nn.Module, batch: list[list[int]], tokenizer: Any, device: torch.device) -> Tensor:
    padded = tokenizer.pad({"input_ids": batch}, return_tensors="pt")
    special = torch.isin(padded["input_ids"], torch.tensor(tokenizer.all_special_ids))
    inputs, labels = mask_pieces(padded["input_ids"], special, tokenizer.mask_token_id, len(tokenizer))
    with torch.autocast(device.type, torch.bfloat16):
        logits = model(input_ids=inputs.to(device), attention_mask=padded["attention_mask"].to(device)).logits
        judged = (labels != NOT_JUDGED).to(device)
        if not judged.any():
            return logits.sum() * 0
        return nn.functional.cross_entropy(logits[judged].float(), labels.to(device)[judged])


def _pieces(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, longest: int) -> list[list[int]]:
    words = [[text[a:b] for a, b in split_words(text)] or [""] for text in texts]
    return tokenizer(words, is_split_into_words=True, truncation=True, max_length=longest)["input_ids"]


def _batches(texts: Sequence[list[int]], batch_size: int, seed: int) -> list[list[list[int]]]:
    """Batches of texts of like length, in random order."""
    chance = random.Random(seed)
    order = chance.sample(list(texts), len(texts))
    batches = []
    for start in range(0, len(order), 64 * batch_size):
        pool = sorted(order[start : start + 64 * batch_size], key=len)
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    chance.shuffle(batches)
    return batches


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models.adapt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--encoder", required=True, help="Hugging Face text encoder: folder or hub id; without a masked-language head it gets a fresh one")
    add("--posts", type=Path, nargs="+", required=True, help="files of raw posts")
    add("--output", type=Path, required=True, help="folder of the adapted encoder")
    add("--texts", type=int, default=100_000, help="how many different texts to train on, once each")
    add("--held_out", type=int, default=1000, help="how many more tell the loss before and after")
    add("--batch_size", type=int, default=32)
    add("--max_pieces", type=int, default=64, help="longer texts are cut")
    add("--lr", type=float, default=1e-4)
    add("--save_every_s", type=float, default=SAVE_EVERY_S, help="seconds between states to go on from")
    add("--seed", type=int, default=0)
    add("--device", default="cpu", help="cpu or cuda")
    add("--threads", type=int, default=usable_cores())
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
