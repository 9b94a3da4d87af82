"""Train a tagger and write it as a bundle: what `models.train` does."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from archive.digest import file_sha256
from models.datasets.conll import file_of
from models.datasets.pictures import picture_features
from models.datasets.raw_posts import sample_texts
from models.datasets.word_vectors import read_vectors
from models.inference.devices import usable_device
from models.loading.text_encoder import be_quiet, load_text_encoder
from models.tagging.augmentation import AugmentationTable, build_table, load_table
from models.tagging.bundle import Bundle, load_bundle, save_bundle
from models.tagging.encoding import Encoder
from models.tagging.granularities import Source, granularity_class
from models.tagging.granularities.objects import OBJECT_CLASSES
from models.tagging.settings import BundleSettings
from models.tagging.tagger import Tagger, TaggerConfig
from models.training.card import card
from models.training.checkpoint import Checkpoint
from models.training.config import TrainingConfig
from models.training.curves import write_curves
from models.training.examples import Example, distilled_examples, examples
from models.training.labelled_sets import LabelledSet, read_sets
from models.training.loop import Training
from models.training.teachers import teacher_marginals
from models.training.validation import span_f1, temperature
from models.vision import backbone
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel

BACKBONE_FOLDER = "backbone"
"""Folder of a bundle for its vision backbone."""


def train_bundle(options: argparse.Namespace, argv: list[str]) -> None:
    """Train a tagger, or resume its training.

    Args:
        options: of the command, checked.
        argv: the options as they were given, for the model card.

    Raises:
        ValueError, OSError: an option or a file is wrong.
    """
    be_quiet()
    config = TrainingConfig(**{field.name: getattr(options, field.name) for field in fields(TrainingConfig)})
    folders = dict.fromkeys(path.parent if path.is_file() else path for path in options.data)  # a file stands for its folder
    files = {name: {folder: file_of(folder, name) for folder in folders} for name in ("train", "valid")}
    types, train_posts, valid_posts = read_sets(files["train"], files["valid"], dict(options.map))
    hashes = {
        str(path): file_sha256(path)
        for path in [*files["train"].values(), *files["valid"].values(), *_input_files(options)]
        if path.is_file()
    }
    checkpoint = Checkpoint(options.output, json.dumps([argv, hashes], indent=1))
    torch.manual_seed(config.seed)
    torch.set_num_threads(options.threads)
    options.device = usable_device(options.device)
    pretrained, tokenizer = load_text_encoder(options.encoder)
    table = _table(options)
    vision_model = _vision_model(options)
    tagger_config = _tagger_config(options, types, pretrained.config.to_dict(), table, vision_model)
    settings = _settings(options, vision_model)
    encoder = _encoder(tokenizer, tagger_config, table, settings)
    features: dict[str, ImageFeatures] = {}
    if vision_model:
        features = picture_features(_picture_names(train_posts, valid_posts), options.images, vision_model, options.cache)
    train = [example for posts, _ in train_posts.values() for example in examples(posts, encoder, features)]
    valid = {folder: examples(posts, encoder, features) for folder, (posts, _) in valid_posts.items()}
    all_valid = [example for of_folder in valid.values() for example in of_folder]
    tagger = Tagger(tagger_config, table.vectors if table else None)
    held_out = _held_out(options.refit, settings, tagger_config, table) if options.refit else None
    tagger.encoder.load_state_dict(pretrained.state_dict(), strict=False)
    tagger.encoder.set_attn_implementation("eager")  # with dropout on a CPU, faster than torch's fused attention
    device = torch.device(options.device)
    distilled = _distilled(options, encoder, checkpoint, tagger_config.types)
    learnt, scored = ([*train, *all_valid], []) if held_out else (train, all_valid)
    training = Training(tagger.to(device), encoder, learnt, distilled, scored, config, device)
    training.run(checkpoint)
    if held_out:
        settings = replace(settings, temperature=held_out.settings.temperature, min_score=held_out.settings.min_score)
    else:
        f1 = max(record["valid_f1"] for record in training.history)
        settings = replace(settings, temperature=temperature(tagger, all_valid, encoder, device), min_score=round(f1 / 2, 2))
    if settings.backbone == BACKBONE_FOLDER:
        _copy_backbone(Path(options.backbone), options.output / BACKBONE_FOLDER)
    save_bundle(options.output, settings, tagger.cpu(), tokenizer, table)
    write_curves(options.output, training.history)
    stored = held_out or load_bundle(options.output)  # quantised, so its scores may differ from those in training
    scores = {
        folder: [span_f1(stored.tagger, data, encoder, torch.device("cpu"), pictures) for pictures in (True, False)]
        for folder, data in valid.items()
    }
    text = card(
        settings.name,
        types,
        options.encoder,
        options.language,
        argv,
        config.seed,
        [*train_posts.items(), *(valid_posts.items() if held_out else ())],
        hashes,
        len(features),
        scores,
        training.history,
        held_out.label if held_out else None,
    )
    (options.output / "README.md").write_text(text)
    checkpoint.remove()


def _input_files(options: argparse.Namespace) -> list[Path]:
    """Return the files beside the labelled posts that the result depends on. A run resumes only if they are the same."""
    table = [options.vectors] if options.vectors else [options.table / "augmentation.safetensors"] if options.table else []
    bundles = [*(options.teacher or ()), *([options.refit] if options.refit else ())]
    return [
        Path(options.encoder) / "model.safetensors",
        *table,
        *(options.unlabelled or ()),
        *(folder / "config.json" for folder in bundles),
    ]


def _held_out(folder: Path, settings: BundleSettings, config: TaggerConfig, table: AugmentationTable | None) -> Bundle:
    """Load the bundle that was trained without the valid posts. Raises ValueError if it has other parts than the new one."""
    bundle = load_bundle(folder)
    theirs = replace(bundle.settings, name=settings.name, temperature=settings.temperature, min_score=settings.min_score)
    words = bundle.table.words if bundle.table else None
    if theirs != settings or words != (table.words if table else None) or _parts(bundle.tagger.config) != _parts(config):
        raise ValueError(f"--refit {folder} is of another command: train with these options but without --refit, and give its output")
    return bundle


def _parts(config: TaggerConfig) -> str:
    """Return what must be equal for two taggers to read the same inputs; other versions of transformers add to `encoder`."""
    encoder = {name: config.encoder.get(name) for name in ("model_type", "vocab_size", "hidden_size", "num_hidden_layers")}
    return json.dumps(asdict(config) | {"encoder": encoder, "auxiliary": None}, sort_keys=True)


def _vision_model(options: argparse.Namespace) -> VisionModel | None:
    if not options.images:
        return None
    detector = options.detector
    if not detector and not options.backbone:
        raise ValueError("--detector none leaves no network to read pictures: give --backbone, or leave out --images")
    vision_model = VisionModel.load(detector, options.backbone, options.device, options.threads)
    if len(vision_model.names) > OBJECT_CLASSES:
        raise ValueError(
            f"--detector {detector} has {len(vision_model.names)} classes, more than the {OBJECT_CLASSES} of COCO: give one trained on COCO"
        )
    return vision_model


def _tagger_config(
    options: argparse.Namespace,
    types: tuple[str, ...],
    encoder: dict[str, Any],
    table: AugmentationTable | None,
    vision_model: VisionModel | None,
) -> TaggerConfig:
    return TaggerConfig(
        encoder=encoder,
        types=types,
        augmentation=options.augmentation if table else "none",
        augmentation_width=table.vectors.shape[1] if table else 0,
        casing=options.casing,
        granularities=_granularities(options.granularities, vision_model) if vision_model else (),
        fusion_width=options.fusion_width,
        auxiliary=options.auxiliary,
    )


def _granularities(kinds: Sequence[str], vision_model: VisionModel) -> tuple[dict[str, Any], ...]:
    """Return `TaggerConfig.granularities` with those kinds whose input the vision model provides."""
    granularities = ((kind, granularity_class(kind).for_training(vision_model.grid_width or 0, vision_model.names)) for kind in kinds)
    return tuple(granularity.entry(kind) for kind, granularity in granularities if granularity)


def _distilled(options: argparse.Namespace, encoder: Encoder, checkpoint: Checkpoint, types: tuple[str, ...]) -> list[list[Example]]:
    """Return distilled examples of raw posts for each epoch, different ones in each; an empty list without teachers."""
    if not options.teacher:
        return []
    texts = sample_texts(options.unlabelled, options.epochs * options.unlabelled_posts, options.seed)
    marginals = teacher_marginals(texts, options.teacher, types, options.device, options.threads, checkpoint.folder / "teachers.npy")
    per_epoch = [slice(start, start + options.unlabelled_posts) for start in range(0, len(texts), options.unlabelled_posts)]
    return [distilled_examples(texts[part], marginals[part], encoder) for part in per_epoch]


def _settings(options: argparse.Namespace, vision_model: VisionModel | None) -> BundleSettings:
    settings = BundleSettings(name=options.output.name, max_objects=options.max_objects)
    if vision_model is None:
        return settings
    is_folder = options.backbone and Path(options.backbone).is_dir()  # it is copied into the bundle; a hub id is kept
    return replace(
        settings,
        object_names=vision_model.names,
        grid=vision_model.grid_id,
        backbone=BACKBONE_FOLDER if is_folder else options.backbone,
    )


def _encoder(
    tokenizer: PreTrainedTokenizerBase, config: TaggerConfig, table: AugmentationTable | None, settings: BundleSettings
) -> Encoder:
    names = settings.object_names
    source = Source(names, np.arange(len(names)), settings.grid is not None, settings.max_objects)
    return Encoder(tokenizer, config, table, settings.max_pieces, settings.max_pictures, source)


def _picture_names(*sets: LabelledSet) -> set[str]:
    return {post.image for of_set in sets for posts, _ in of_set.values() for post in posts if post.image}


def _copy_backbone(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in backbone.FILES:
        if (source / file).is_file():
            shutil.copyfile(source / file, target / file)


def _table(options: argparse.Namespace) -> AugmentationTable | None:
    if options.table:
        return load_table(options.table)
    return build_table(*read_vectors(options.vectors), options.table_words) if options.vectors else None
