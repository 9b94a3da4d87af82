"""Train a tagger on labelled tweets and write it as a bundle.

    python -m models.train --data DIR [DIR ...] --images GLOB --encoder FOLDER_OR_ID --vectors W2V --output BUNDLE

Each DIR holds `train.txt` and `valid.txt` in CoNLL form with `IMGID:` lines; the epoch with the best score on all
`valid.txt` together is kept.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from models.augmentation import AugmentationTable, build_table, read_vectors
from models.bundle import BundleSettings, save_bundle
from models.encoding import Encoder
from models.labels import TYPES, spans_of
from models.loading import PRETRAINED, usable_cores
from models.tagger import Tagger, TaggerConfig
from models.training.conll import LabelledPost, read_conll
from models.training.examples import Example, TrainingBatch, collate, examples, shuffled_batches
from models.training.pictures import look_at_pictures
from models.vision import backbone
from models.vision.look import Looker

AUXILIARY_WEIGHT = 0.5


def loss_of(tagger: Tagger, batch: TrainingBatch) -> torch.Tensor:
    """CRF(E) + 0.5 CRF_aux(A), negative log-likelihood, mean over posts."""
    reading = tagger(batch.inputs)

    def words(emissions: torch.Tensor) -> torch.Tensor:
        return emissions.gather(1, batch.word_index[..., None].expand(-1, -1, emissions.shape[2]))

    loss = -tagger.crf.log_likelihood(words(reading.emissions), batch.tags, batch.word_mask).mean()
    if reading.auxiliary is not None:
        boundary = torch.where(batch.tags > 0, 2 - batch.tags % 2, 0)  # B-X is 1, I-X is 2
        loss = loss - AUXILIARY_WEIGHT * tagger.auxiliary_crf.log_likelihood(words(reading.auxiliary), boundary, batch.word_mask).mean()
    return loss


@torch.inference_mode()
def span_f1(tagger: Tagger, data: list[Example], encoder: Encoder, batch_size: int = 64) -> float:
    """Micro F1 of exact spans over words, for choosing among epochs; `models.evaluate` gives the scores to report."""
    tagger.eval()
    right = predicted = gold = 0
    ordered = sorted(data, key=lambda example: len(example.window.pieces))
    for start in range(0, len(ordered), batch_size):
        chosen = ordered[start : start + batch_size]
        batch = collate(chosen, encoder, 0.0, random.Random(0))
        emissions = tagger(batch.inputs).emissions
        emissions = emissions.gather(1, batch.word_index[..., None].expand(-1, -1, emissions.shape[2]))
        paths = tagger.crf.decode(emissions, batch.word_mask).tolist()
        for example, path in zip(chosen, paths, strict=True):
            found, wanted = set(spans_of(path[: len(example.tags)])), set(spans_of(example.tags))
            right, predicted, gold = right + len(found & wanted), predicted + len(found), gold + len(wanted)
    return 2 * right / max(predicted + gold, 1)


def parameter_groups(tagger: Tagger, encoder_lr: float, head_lr: float, layer_decay: float) -> list[dict]:
    """Layer-wise learning rates: the encoder's fall by `layer_decay` from its last layer to its embeddings."""
    layers = tagger.encoder.config.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in tagger.named_parameters():
        decay = 0.0 if parameter.dim() < 2 else 0.01
        lr = head_lr
        if name.startswith("encoder."):
            depth = int(name.split(".layer.")[1].split(".")[0]) + 1 if ".layer." in name else 0
            lr = encoder_lr * layer_decay ** (layers - depth)
        groups.setdefault((lr, decay), []).append(parameter)
    return [{"params": parameters, "lr": lr, "weight_decay": decay} for (lr, decay), parameters in groups.items()]


def running_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential running average of weights whose memory grows with the steps made, up to `decay`."""

    def update(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        return torch.lerp(average, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return update


def train(tagger: Tagger, encoder: Encoder, data: list[Example], valid: list[Example], options: argparse.Namespace) -> list[dict]:
    """Train in place, leave the best epoch's weights in the tagger, return one record an epoch."""
    optimizer = torch.optim.AdamW(parameter_groups(tagger, options.lr, options.head_lr, options.layer_decay))
    steps = options.epochs * -(-len(data) // options.batch_size)
    warm_up = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / warm_up, max(0.0, (steps - step) / (steps - warm_up))))
    chance = random.Random(options.seed)
    average = AveragedModel(tagger, avg_fn=running_average(options.average))
    averaged: Tagger = average.module  # type: ignore[assignment]
    best, history = -1.0, []
    for epoch in range(options.epochs):
        tagger.train()
        started, total = time.monotonic(), 0.0
        batches = list(shuffled_batches(data, options.batch_size, options.seed * 1000 + epoch))
        for chosen in tqdm(batches, desc=f"epoch {epoch + 1}/{options.epochs}", disable=None):
            batch = collate(chosen, encoder, options.picture_dropout, chance)
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(tagger, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            average.update_parameters(tagger)
            total += loss.item()
        record = {
            "epoch": epoch + 1,
            "loss": round(total / len(batches), 4),
            "valid_f1": round(span_f1(averaged, valid, encoder), 4),
            "seconds": round(time.monotonic() - started),
        }
        history.append(record)
        print(json.dumps(record), file=sys.stderr, flush=True)
        if record["valid_f1"] > best:
            best, kept = record["valid_f1"], {name: tensor.clone() for name, tensor in averaged.state_dict().items()}
    tagger.load_state_dict(kept)
    return history


def read_split(folders: list[Path], split: str) -> tuple[list[LabelledPost], int]:
    """Tweets of `<split>.txt` of all folders, and how many orphan I- were repaired in them."""
    posts, orphans = [], 0
    for folder in folders:
        found, repaired = read_conll(folder / f"{split}.txt", TYPES)
        posts += found
        orphans += repaired["orphan_inside"]
    return posts, orphans


def main(argv: list[str]) -> int:
    """The command."""
    options = _parser().parse_args(argv)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    source = AutoModel.from_pretrained(options.encoder)
    tokenizer = AutoTokenizer.from_pretrained(options.encoder)
    train_posts, orphans = read_split(options.data, "train")
    valid_posts, _ = read_split(options.data, "valid")
    table = _table(options)
    looker = Looker.load(options.detector, options.backbone, threads=options.threads) if options.images else None
    config = TaggerConfig(
        encoder=source.config.to_dict(),
        augmentation=options.augmentation if table else "none",
        augmentation_width=table.vectors.shape[1] if table else 0,
        casing=options.casing,
        grid_width=(looker.grid_width or 0) if looker else 0,
        objects=looker is not None,
        fusion_width=options.fusion_width,
    )
    settings = BundleSettings(
        name=options.output.name,
        object_names=looker.names if looker else (),
        grid=looker.grid_id if looker else None,
        backbone=_keep_backbone(options.backbone, options.output) if looker and options.backbone else None,
    )
    encoder = Encoder(
        tokenizer,
        config,
        table,
        settings.max_pieces,
        settings.max_objects,
        settings.max_pictures,
        class_map=np.arange(len(settings.object_names)),
        reads_grid=config.grid_width > 0,
    )
    sights = {}
    if looker:
        keys = {post.image for post in train_posts + valid_posts if post.image}
        sights = look_at_pictures(keys, options.images, looker, options.cache)
    tagger = Tagger(config, table.vectors if table else None)
    tagger.encoder.load_state_dict(source.state_dict(), strict=False)
    data, valid = examples(train_posts, encoder, sights), examples(valid_posts, encoder, sights)
    history = train(tagger, encoder, data, valid, options)
    card = CARD.format(
        name=settings.name,
        command="python -m models.train " + shlex.join(argv),
        history="\n".join(json.dumps(record) for record in history),
        tweets=len(train_posts),
        pictures=len(sights),
        orphans=orphans,
    )
    save_bundle(options.output, settings, tagger, tokenizer, table, card)
    return 0


CARD = """\
# {name}

Tagger of named entities (PER, LOC, ORG, MISC) in social-media posts and their pictures, by the method of
*Multi-granularity cross-modality representation learning for named entity recognition on social media* (arXiv 2210.14163).

Trained on {tweets} tweets ({orphans} orphan I- repaired), {pictures} pictures, by

    {command}

`valid_f1` is micro F1 of exact spans on the valid sets together; the best epoch is kept.

```
{history}
```
"""


def _keep_backbone(name: str, bundle: Path) -> str:
    """Copy a backbone's folder into the bundle; how the bundle names it. A hub id stays one."""
    if not Path(name).is_dir():
        return name
    (bundle / "backbone").mkdir(parents=True, exist_ok=True)
    for file in backbone.FILES:
        if (Path(name) / file).is_file():
            shutil.copyfile(Path(name) / file, bundle / "backbone" / file)
    return "backbone"


def _table(options: argparse.Namespace) -> AugmentationTable | None:
    if not options.vectors:
        return None
    words, vectors = read_vectors(options.vectors)
    return build_table(words, vectors, options.table_words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="folders with train.txt and valid.txt")
    add("--images", help="glob of image shards, or a folder; member IMGID.jpg is the picture of IMGID")
    add("--detector", default=str(PRETRAINED / "detector"), help="network that detects objects and makes grids")
    add("--backbone", help="Hugging Face vision backbone (folder or hub id) that makes the grids instead of the detector")
    add("--cache", type=Path, help="file that keeps what was seen in the pictures, for the next run")
    add("--encoder", required=True, help="Hugging Face text encoder: folder or hub id")
    add("--vectors", type=Path, help="word2vec file (.bin, else text) for the augmentation table")
    add("--table_words", type=int, default=20_000, help="most frequent words that get an entry in the table")
    add("--augmentation", choices=("sum", "gate"), default="sum")
    add("--casing", action=argparse.BooleanOptionalAction, default=True, help="embed the shape of words, for uncased encoders")
    add("--fusion_width", type=int, default=128, help="width of the cross-modal part; 0 is the encoder's own")
    add("--output", type=Path, required=True, help="folder of the bundle")
    add("--epochs", type=int, default=8)
    add("--batch_size", type=int, default=16)
    add("--lr", type=float, default=1e-4, help="of the encoder's last layer")
    add("--head_lr", type=float, default=1e-3, help="of everything else")
    add("--layer_decay", type=float, default=0.9)
    add("--average", type=float, default=0.998, help="decay of the running average of the weights, which is what is kept")
    add("--picture_dropout", type=float, default=0.3, help="share of posts that lose their pictures in a batch")
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=usable_cores())
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
