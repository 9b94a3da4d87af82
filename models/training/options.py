"""The command line of `models.train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from archive.command_line import Parser
from models.datasets.type_names import add_map_option
from models.inference.devices import usable_cores
from models.inference.options import detector_or_none
from models.pretrained import PRETRAINED
from models.tagging.settings import BundleSettings
from models.training.config import TrainingConfig

LEAST = {"threads": 1, "unlabelled_posts": 1, "table_words": 1, "max_objects": 1, "fusion_width": 0}
"""Smallest values of options that are not in `TrainingConfig`, which checks its own."""


def parse(argv: list[str], description: str | None) -> argparse.Namespace:
    """Parse the options of `models.train`. Exits with status 2 and a sentence if one is wrong."""
    parser = Parser("models.train", description)
    _add_data_options(parser)
    _add_model_options(parser)
    _add_training_options(parser)
    options = parser.parse_args(argv)
    if bool(options.teacher) != bool(options.unlabelled):
        parser.error("--teacher and --unlabelled go together: the teacher annotates the unlabelled posts")
    if options.refit and options.patience:
        parser.error("--refit leaves no valid posts to choose an epoch by: leave out --patience")
    for name, least in LEAST.items():
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)}: give {least} or more")
    if options.output.is_file():
        parser.error(f"--output {options.output} is a file: give a folder")
    return options


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("data").add_argument
    add("--data", type=Path, nargs="+", required=True, help="folders with train and valid, or one of these files: CoNLL or JSON")
    add_map_option(add, "the data")
    add("--language", metavar="CODE", help="language of the labelled posts, such as en, for the model card")
    add("--images", help="glob of image shards, or a folder; a post's key names its picture as in the command. Without it: text only")
    add(
        "--detector",
        type=detector_or_none,
        default=str(PRETRAINED / "detector"),
        help="network that detects objects and makes grids, or none (default: the shipped one)",
    )
    add("--backbone", help="Hugging Face vision backbone (folder or hub id) that makes the grids instead of the detector")
    add("--cache", type=Path, help="file that stores the features of pictures for the next run")
    add("--teacher", type=Path, nargs="+", help="bundles whose marginals on raw posts are learned, averaged over the bundles")
    add(
        "--unlabelled",
        type=Path,
        nargs="+",
        help="files of raw posts: .jsonl with text, .tsv (last column), or one text per line; compressed or not",
    )
    add(
        "--refit",
        type=Path,
        metavar="BUNDLE",
        help="learn the valid posts too. BUNDLE, of the same command without this option, gives temperature, min_score and the scores",
    )
    add("--unlabelled_posts", type=int, default=7000, help="raw posts per epoch, different ones in each epoch")


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("model").add_argument
    add("--encoder", required=True, help="Hugging Face text encoder, or a bundle, to start from its text encoder: folder or hub id")
    add("--vectors", type=Path, help="word vectors for the augmentation table. Without them: no augmentation")
    add("--table_words", type=int, default=20_000, help="how many of the most frequent words get an entry in the table")
    add("--table", type=Path, help="table from models.augment, instead of --vectors")
    add("--augmentation", choices=("sum", "gate"), default="sum", help="how augmentation vectors are added (default: sum)")
    add("--casing", action=argparse.BooleanOptionalAction, default=True, help="embed the shape of words, for uncased encoders")
    add("--granularities", nargs="+", default=["grid", "objects"], help="how pictures are read: files of models/tagging/granularities")
    add("--max_objects", type=int, default=BundleSettings.max_objects, help="how many objects of a picture are read: the best ones")
    add("--auxiliary", action=argparse.BooleanOptionalAction, default=True, help="also train the auxiliary task (boundaries B, I, O)")
    add("--fusion_width", type=int, default=128, help="width of the cross-modal part; 0 for the width of the encoder")
    add("--output", type=Path, required=True, help="folder of the bundle")


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=int, default=TrainingConfig.epochs, help="how often all tweets are seen")
    add("--batch_size", type=int, default=TrainingConfig.batch_size, help="windows of text per forward pass")
    add("--accumulate", type=int, default=TrainingConfig.accumulate, help="forward passes per optimizer step")
    add("--lr", type=float, default=TrainingConfig.lr, help="learning rate of the encoder's last layer")
    add("--head_lr", type=float, default=TrainingConfig.head_lr, help="learning rate of all parameters outside the encoder")
    add("--layer_decay", type=float, default=TrainingConfig.layer_decay, help="factor on --lr for each layer further from the output")
    add("--freeze_encoder", action="store_true", help="do not train the text encoder")
    add(
        "--ema_decay",
        "--average",
        type=float,
        default=TrainingConfig.ema_decay,
        help="decay of the moving average of the weights, which is saved",
    )
    add("--picture_dropout", type=float, default=TrainingConfig.picture_dropout, help="share of posts that lose their pictures in a batch")
    add("--word_dropout", type=float, default=TrainingConfig.word_dropout, help="share of words in a batch that become the mask token")
    add("--case_noise", type=float, default=TrainingConfig.case_noise, help="share of posts in a batch that are put in another case")
    add("--patience", type=int, default=TrainingConfig.patience, help="epochs without a better score before training stops; 0: never")
    add("--seed", type=int, default=TrainingConfig.seed, help="of weights, order and dropout")
    add("--device", default="cpu", help="auto, cpu, cuda, cuda:N")
    add("--threads", type=int, default=usable_cores(), help="of torch")
