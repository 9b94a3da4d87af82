"""The information that pictures have beyond the text: what `bench.pictures` measures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.datasets.conll import read_conll
from models.datasets.labelled_post import LabelledPost, text_of
from models.datasets.pictures import picture_features
from models.evaluation.predictions import BATCH_SIZE
from models.inference.options import ModelOptions
from models.loading import load_annotator, load_vision_model
from models.tagging.annotate import Annotator, TextAndPictures
from models.tagging.granularities.objects import OBJECT_CLASSES
from models.tagging.labels import TYPES
from models.tagging.words import split_words
from models.vision.images.features import ImageFeatures

FOLDS = 5
PENALTIES = (1e-2, 1e-3, 1e-4, 1e-5)
CLASSES = 1 + len(TYPES)


def measure(options: argparse.Namespace) -> None:
    """Print one line for each kind of features; the options are those of the command."""
    torch.set_num_threads(options.threads)
    posts = [post for path in options.data for post in read_conll(path, TYPES)[0] if post.image]
    vision_model = load_vision_model(ModelOptions(threads=options.threads))
    features = picture_features({post.image for post in posts if post.image}, options.images, vision_model, options.cache)
    posts = [post for post in posts if post.image in features]
    of_pictures = [features[post.image] for post in posts if post.image]
    from_text = _log_probabilities(load_annotator(ModelOptions(options.bundle, threads=options.threads)), posts)
    types = [_types(post) for post in posts]
    gold = torch.from_numpy(np.concatenate(types))
    post_of_word = torch.from_numpy(np.repeat(np.arange(len(posts)), [len(of_post) for of_post in types]))
    fold = torch.from_numpy(np.random.default_rng(0).integers(0, FOLDS, len(posts)))[post_of_word]
    others = np.random.default_rng(1).permutation(len(posts))

    text_only = _losses(from_text, gold, fold, torch.zeros(len(gold), 0), 0.0)
    print(f"{len(posts)} posts, {len(gold)} words; loss of the text alone {text_only.mean():.5f} nats a word; gain from the picture's")
    for name, inputs in (
        ("objects", np.stack([_objects(s) for s in of_pictures])),
        ("grid", _standard(np.stack([_grid(s) for s in of_pictures]))),
    ):
        for whose, order in (("own", slice(None)), ("another post's", others)):
            from_picture = torch.from_numpy(inputs[order]).float()[post_of_word]
            gained = text_only - min((_losses(from_text, gold, fold, from_picture, penalty) for penalty in PENALTIES), key=Tensor.mean)
            of_post = torch.zeros(len(posts)).index_add_(0, post_of_word, gained)
            error = float(of_post.std()) * len(posts) ** 0.5 / len(gold)
            print(f"  {name}, {whose}: {gained.mean():+.5f} ± {error:.5f}, {gained.mean() / text_only.mean():+.2%}", flush=True)


def _log_probabilities(annotator: Annotator, posts: Sequence[LabelledPost]) -> Tensor:
    """Return the log probabilities of O and each type for all words: (W, CLASSES)."""
    texts: list[TextAndPictures] = [(text_of(post)[0], {}) for post in posts]
    marginals = [of_post for i in range(0, len(texts), BATCH_SIZE) for of_post in annotator.marginals(texts[i : i + BATCH_SIZE])]
    tags = torch.from_numpy(np.concatenate(marginals))
    return torch.cat([tags[:, :1], tags[:, 1::2] + tags[:, 2::2]], dim=1).clamp_min(1e-6).log()


def _types(post: LabelledPost) -> np.ndarray:
    """Return the gold class of each word, 0 outside entities: (W,) int64."""
    text, bounds = text_of(post)
    words = np.array(split_words(text)).reshape(-1, 2)
    gold = np.zeros(len(words), np.int64)
    for span in post.spans:
        gold[(words[:, 0] >= bounds[span.first][0]) & (words[:, 1] <= bounds[span.last][1])] = span.type + 1
    return gold


def _objects(image_features: ImageFeatures) -> np.ndarray:
    """Count the classes of the five best objects: (80,)."""
    return np.bincount(image_features.labels[:5], minlength=OBJECT_CLASSES)


def _grid(image_features: ImageFeatures) -> np.ndarray:
    assert image_features.grid is not None, "the shipped detector makes grids"
    return image_features.grid.astype(np.float32).mean(0)


def _standard(features: np.ndarray) -> np.ndarray:
    return (features - features.mean(0)) / (features.std(0) + 1e-6) / features.shape[1] ** 0.5


def _losses(from_text: Tensor, gold: Tensor, fold: Tensor, from_picture: Tensor, penalty: float) -> Tensor:
    """Return the negative log-likelihood of each word by the regression fitted on the other folds: (W,) nats."""
    losses = torch.zeros(len(gold))
    for k in range(FOLDS):
        held_out = fold == k
        fitted = _fit(from_text[~held_out], gold[~held_out], from_picture[~held_out], penalty)
        losses[held_out] = functional.cross_entropy(
            _logits(fitted, from_text[held_out], from_picture[held_out]), gold[held_out], reduction="none"
        )
    return losses


def _fit(from_text: Tensor, gold: Tensor, from_picture: Tensor, penalty: float) -> list[Tensor]:
    weights = [torch.eye(CLASSES), torch.zeros(CLASSES), torch.zeros(from_picture.shape[1], CLASSES)]
    optimizer = torch.optim.LBFGS([weight.requires_grad_() for weight in weights], max_iter=60)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(_logits(weights, from_text, from_picture), gold) + penalty * weights[2].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return [weight.detach() for weight in weights]


def _logits(weights: list[Tensor], from_text: Tensor, from_picture: Tensor) -> Tensor:
    text_weights, bias, picture_weights = weights
    return from_text @ text_weights + bias + from_picture @ picture_weights
