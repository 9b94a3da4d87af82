"""Train a tagger on labelled tweets and write it as a bundle.

    python -m models.train --data DIR [DIR ...] --images GLOB --encoder FOLDER_OR_ID --vectors W2V --output BUNDLE

Each DIR holds `train.txt` and `valid.txt` in CoNLL form with `IMGID:` lines. The epoch with the best score on all
`valid.txt` together is kept. An interrupted run resumes when you repeat the command, to the same result.

With --teacher and --unlabelled the tagger also learns, beside the labels, what trained bundles say of raw posts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from archive.digest import file_sha256
from models.datasets.conll import read_conll
from models.datasets.pictures import picture_features
from models.datasets.raw_posts import sample_texts
from models.inference.devices import usable_cores, usable_device
from models.pretrained import PRETRAINED
from models.tagging.augmentation import AugmentationTable, build_table, load_table, read_vectors
from models.tagging.bundle import BundleSettings, load_bundle, save_bundle
from models.tagging.encoding import Encoder
from models.tagging.granularities import Source, granularity_class
from models.tagging.granularities.objects import OBJECT_CLASSES
from models.tagging.labels import TYPES
from models.tagging.tagger import Tagger, TaggerConfig
from models.training.card import card
from models.training.checkpoint import Checkpoint
from models.training.config import TrainingConfig
from models.training.curves import write_curves
from models.training.examples import Example, distilled_examples, examples
from models.training.loop import Training, span_f1
from models.training.teachers import teacher_marginals
from models.vision import backbone
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel

KEPT_BACKBONE = "backbone"


def main(argv: list[str]) -> int:
    """The command."""
    parser = _parser()
    options = parser.parse_args(argv)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if bool(options.teacher) != bool(options.unlabelled):
        parser.error("--teacher and --unlabelled go together: the teacher is asked about the unlabelled posts")
    for name, least in (("threads", 1), ("unlabelled_posts", 1), ("table_words", 1), ("max_objects", 1), ("fusion_width", 0)):
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)}: give {least} or more")
    try:
        _train(options, argv)
    except (ValueError, OSError) as error:
        print(f"models.train: {error}", file=sys.stderr)
        return 2
    return 0


def _train(options: argparse.Namespace, argv: list[str]) -> None:
    training_config = TrainingConfig(**{field.name: getattr(options, field.name) for field in fields(TrainingConfig)})
    split = {name: {folder: read_conll(folder / f"{name}.txt", TYPES) for folder in options.data} for name in ("train", "valid")}
    hashes = {str(path): file_sha256(path) for path in _read_from(options) if path.is_file()}
    checkpoint = Checkpoint(options.output, json.dumps([argv, hashes], indent=1))
    torch.manual_seed(training_config.seed)
    torch.set_num_threads(options.threads)
    options.device = usable_device(options.device)
    source, tokenizer = _text_encoder(options.encoder)
    table = _table(options)
    vision_model = _vision_model(options)
    config = _config(options, source.config.to_dict(), table, vision_model)
    settings = BundleSettings(
        name=options.output.name,
        object_names=vision_model.names if vision_model else (),
        grid=vision_model.grid_id if vision_model else None,
        backbone=_name_of_backbone(options.backbone) if vision_model else None,
        max_objects=options.max_objects,
    )
    encoder = Encoder(
        tokenizer,
        config,
        table,
        settings.max_pieces,
        settings.max_pictures,
        Source(settings.object_names, np.arange(len(settings.object_names)), settings.grid is not None, settings.max_objects),
    )
    features: dict[str, ImageFeatures] = {}
    if vision_model:
        keys = {post.image for read in split.values() for posts, _ in read.values() for post in posts if post.image}
        features = picture_features(keys, options.images, vision_model, options.cache)
    labelled = {name: {folder: examples(posts, encoder, features) for folder, (posts, _) in read.items()} for name, read in split.items()}
    tagger = Tagger(config, table.vectors if table else None)
    tagger.encoder.load_state_dict(source.state_dict(), strict=False)
    tagger.encoder.set_attn_implementation("eager")  # with dropout, on a CPU, faster than torch's fused attention
    training = Training(
        tagger.to(options.device),
        encoder,
        [example for of_folder in labelled["train"].values() for example in of_folder],
        _taught(options, encoder, checkpoint, config.types),
        [example for of_folder in labelled["valid"].values() for example in of_folder],
        training_config,
        torch.device(options.device),
    )
    training.run(checkpoint)
    settings = replace(settings, temperature=training.temperature())
    if settings.backbone == KEPT_BACKBONE:
        _keep_backbone(Path(options.backbone), options.output / KEPT_BACKBONE)
    save_bundle(options.output, settings, tagger.cpu(), tokenizer, table)
    write_curves(options.output, training.history)
    shipped = load_bundle(options.output).tagger
    scores = {
        folder: [span_f1(shipped, data, encoder, torch.device("cpu"), seen) for seen in (True, False)]
        for folder, data in labelled["valid"].items()
    }
    written = card(settings.name, argv, training_config.seed, split["train"], hashes, len(features), scores, training.history)
    (options.output / "README.md").write_text(written)
    checkpoint.remove()


def _read_from(options: argparse.Namespace) -> list[Path]:
    """Return the files that decide the result; a run resumes only if they are the same."""
    labelled = [folder / f"{name}.txt" for name in ("train", "valid") for folder in options.data]
    table = [options.vectors] if options.vectors else [options.table / "augmentation.safetensors"] if options.table else []
    distilled = [*(options.unlabelled or ()), *(folder / "config.json" for folder in options.teacher or ())]
    return [*labelled, Path(options.encoder) / "model.safetensors", *table, *distilled]


def _vision_model(options: argparse.Namespace) -> VisionModel | None:
    if not options.images:
        return None
    detector = None if options.detector.lower() == "none" else options.detector
    if not detector and not options.backbone:
        raise ValueError("--detector none leaves nothing to look at pictures with: give --backbone, or leave out --images")
    vision_model = VisionModel.load(detector, options.backbone, options.device, options.threads)
    if len(vision_model.names) > OBJECT_CLASSES:
        raise ValueError(
            f"--detector {detector} knows {len(vision_model.names)} classes, the tagger embeds {OBJECT_CLASSES}: take a COCO one"
        )
    return vision_model


def _text_encoder(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if (Path(name) / "tokenizer").is_dir():
        bundle = load_bundle(Path(name))
        return bundle.tagger.encoder, bundle.tokenizer
    try:
        return AutoModel.from_pretrained(name, dtype=torch.float32), AutoTokenizer.from_pretrained(name, add_prefix_space=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"--encoder {name} cannot be loaded: {str(error).splitlines()[0]}") from error


def _config(
    options: argparse.Namespace, encoder: dict[str, Any], table: AugmentationTable | None, vision_model: VisionModel | None
) -> TaggerConfig:
    return TaggerConfig(
        encoder=encoder,
        augmentation=options.augmentation if table else "none",
        augmentation_width=table.vectors.shape[1] if table else 0,
        casing=options.casing,
        granularities=_granularities(options.granularities, vision_model) if vision_model else (),
        fusion_width=options.fusion_width,
        auxiliary=options.auxiliary,
    )


def _granularities(kinds: Sequence[str], vision_model: VisionModel) -> tuple[dict[str, Any], ...]:
    """Those of the kinds that the vision_model provides for, as `TaggerConfig.granularities`."""
    made = ((kind, granularity_class(kind).for_training(vision_model.grid_width or 0, vision_model.names)) for kind in kinds)
    return tuple(one.entry(kind) for kind, one in made if one)


def _taught(options: argparse.Namespace, encoder: Encoder, checkpoint: Checkpoint, types: tuple[str, ...]) -> list[list[Example]]:
    """For each epoch other raw posts, with what the teachers say of them; nothing without teachers."""
    if not options.teacher:
        return []
    texts = sample_texts(options.unlabelled, options.epochs * options.unlabelled_posts, options.seed)
    marginals = teacher_marginals(texts, options.teacher, types, options.device, options.threads, checkpoint.folder / "teachers.npy")
    per_epoch = [slice(start, start + options.unlabelled_posts) for start in range(0, len(texts), options.unlabelled_posts)]
    return [distilled_examples(texts[part], marginals[part], encoder) for part in per_epoch]


def _name_of_backbone(name: str | None) -> str | None:
    """How the bundle names its backbone: a folder is copied into the bundle, a hub id stays one."""
    return KEPT_BACKBONE if name and Path(name).is_dir() else name


def _keep_backbone(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in backbone.FILES:
        if (source / file).is_file():
            shutil.copyfile(source / file, target / file)


def _table(options: argparse.Namespace) -> AugmentationTable | None:
    if options.table:
        return load_table(options.table)
    return build_table(*read_vectors(options.vectors), options.table_words) if options.vectors else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument_group("what to train on").add_argument
    add("--data", type=Path, nargs="+", required=True, help="folders with train.txt and valid.txt")
    add("--images", help="glob of image shards, or a folder; member IMGID.jpg is the picture of IMGID. Without it: text only")
    add("--detector", default=str(PRETRAINED / "detector"), help="network that detects objects and makes grids, or none")
    add("--backbone", help="Hugging Face vision backbone (folder or hub id) that makes the grids instead of the detector")
    add("--cache", type=Path, help="file that keeps the features of pictures, for the next run")
    add("--teacher", type=Path, nargs="+", help="bundles whose marginals the tagger learns on raw posts, mean over them")
    add(
        "--unlabelled",
        type=Path,
        nargs="+",
        help="files of raw posts: .jsonl with text, .tsv (last column), or a text a line; compressed or not",
    )
    add("--unlabelled_posts", type=int, default=7000, help="raw posts in an epoch; others in each")
    add = parser.add_argument_group("what to train").add_argument
    add("--encoder", required=True, help="Hugging Face text encoder: folder or hub id; or a bundle, to start from its text encoder")
    add("--vectors", type=Path, help="word vectors for the augmentation table. Without them: no augmentation")
    add("--table_words", type=int, default=20_000, help="most frequent words that get an entry in the table")
    add("--table", type=Path, help="table that models.augment made, in place of --vectors")
    add("--augmentation", choices=("sum", "gate"), default="sum")
    add("--casing", action=argparse.BooleanOptionalAction, default=True, help="embed the shape of words, for uncased encoders")
    add("--granularities", nargs="+", default=["grid", "objects"], help="how pictures are read: files of models/tagging/granularities")
    add("--max_objects", type=int, default=BundleSettings.max_objects, help="best objects of a picture that are read")
    add("--auxiliary", action=argparse.BooleanOptionalAction, default=True, help="train the span task (B, I, O) beside")
    add("--fusion_width", type=int, default=128, help="width of the cross-modal part; 0 is the encoder's own")
    add("--output", type=Path, required=True, help="folder of the bundle")
    add = parser.add_argument_group("how to train").add_argument
    add("--epochs", type=int, default=TrainingConfig.epochs)
    add("--batch_size", type=int, default=TrainingConfig.batch_size)
    add("--accumulate", type=int, default=TrainingConfig.accumulate, help="batches per step of the optimizer")
    add("--lr", type=float, default=TrainingConfig.lr, help="of the encoder's last layer")
    add("--head_lr", type=float, default=TrainingConfig.head_lr, help="of everything that is not the encoder")
    add("--layer_decay", type=float, default=TrainingConfig.layer_decay, help="factor by which --lr falls with each layer down")
    add("--freeze_encoder", action="store_true", help="keep the text encoder as it is")
    add("--average", type=float, default=TrainingConfig.average, help="decay of the running average of the weights, which is what is kept")
    add("--picture_dropout", type=float, default=TrainingConfig.picture_dropout, help="share of posts that lose their pictures in a batch")
    add("--word_dropout", type=float, default=TrainingConfig.word_dropout, help="share of words that are made unknown in a batch")
    add("--patience", type=int, default=TrainingConfig.patience, help="stop after so many epochs without a better score; 0: never")
    add("--seed", type=int, default=TrainingConfig.seed)
    add("--device", default="cpu", help="auto, cpu, cuda, cuda:N")
    add("--threads", type=int, default=usable_cores())
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
