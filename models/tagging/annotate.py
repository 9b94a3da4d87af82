"""Annotate texts, with the features of their pictures, with entities."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
import torch

from models.inference.pool import InferencePool
from models.tagging.bundle import Bundle
from models.tagging.encoding import Encoder, Window
from models.tagging.granularities import Evidence, Granularity, Source
from models.tagging.labels import Span, spans_of
from models.tagging.tagger import Batch, TaggerOutput
from models.tagging.words import split_words
from models.vision.images.features import ImageFeatures

SMALLEST_BATCH = 4
"""Smaller batches are filled up: matrix products of very few rows round in another way than large ones."""

BATCHES_HELD = 16
"""Batches whose emissions and weights are held at a time."""

CRF_WORDS = 2**15
"""Words, padding included, that the CRF takes at a time: one long post must not make its neighbours as long."""


class Seen(NamedTuple):
    """A picture of a post: its key and its features."""

    key: str
    features: ImageFeatures


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity: `text[start:end]` of the post, its type, probability of the whole span, and evidence."""

    text: str
    type: str
    start: int
    end: int
    score: float
    evidence: tuple[Evidence, ...]


@dataclass(slots=True)
class _Words:
    """Model output for each word of one post: emissions (W, tags), and weights (W, I * E) of each granularity in I pictures."""

    emissions: np.ndarray
    weights: list[np.ndarray]


class Annotator:
    """Annotates posts with one bundle.

    Args:
        bundle: from `load_bundle`.
        object_names: class names of the detector at work; those that the bundle does not know are not read.
        grid: `VisionModel.grid_id` at work; grids of any other network than the bundle's own mean nothing to it and are not read.
        device: of the model.
        batch_size: windows of text per model call.
        threads: batches at a time on a CPU.
        dtype: of the matrix products. bfloat16 is two to three times as fast where a CPU knows it, and moves
            probabilities by up to 0.03: the result of a post then depends on its neighbours in the batch.
    """

    def __init__(
        self,
        bundle: Bundle,
        object_names: Sequence[str],
        grid: str | None,
        device: str = "cpu",
        batch_size: int = 32,
        threads: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.bundle = bundle
        self.batch_size = batch_size
        self._device = torch.device(device)
        self._dtype = dtype
        self._tagger = bundle.tagger.to(self._device)
        self._pool = InferencePool(self._device, threads)
        settings = bundle.settings
        known = {name: index for index, name in enumerate(settings.object_names)}
        self._encoder = Encoder(
            bundle.tokenizer,
            bundle.tagger.config,
            bundle.table,
            settings.max_pieces,
            settings.max_pictures,
            Source(
                tuple(object_names),
                class_map=np.array([known.get(name, -1) for name in object_names], np.int64),
                reads_grid=grid is not None and grid == settings.grid,
                max_objects=settings.max_objects,
            ),
        )
        self._weights = [granularity.weights_per_picture(self._encoder.source) for granularity in self._encoder.granularities]

    @property
    def max_pictures(self) -> int:
        """How many pictures of a post are read, the first ones."""
        return self.bundle.settings.max_pictures

    @torch.inference_mode()
    def annotate(self, posts: Sequence[tuple[str, Sequence[Seen]]]) -> list[list[Entity]]:
        """Return the entities of each post, in order of the text. The result for a post does not depend on the others."""
        bounds = [split_words(text) for text, _ in posts]
        read = self._read(_words(posts, bounds), _features(posts))
        entities: list[list[Entity]] = [[] for _ in posts]
        for index, span, score in self._spans(read):
            text, pictures = posts[index]
            start, end = bounds[index][span.first][0], bounds[index][span.last][1]
            kind = self.bundle.tagger.config.types[span.type]
            evidence = self._evidence(pictures, read[index], span)
            entities[index].append(Entity(text[start:end], kind, start, end, score, evidence))
        return entities

    @torch.inference_mode()
    def marginals(self, posts: Sequence[tuple[str, Sequence[Seen]]]) -> list[np.ndarray]:
        """Probability of each tag for each word of `split_words`, by the CRF: (W, T) float32 of each post."""
        read = self._read(_words(posts, [split_words(text) for text, _ in posts]), _features(posts))
        tags = self.bundle.tagger.emissions.out_features
        found = [np.zeros((0, tags), np.float32)] * len(posts)
        for chosen, emissions, mask in self._emissions(read):
            probabilities = self._tagger.crf.log_marginals(emissions, mask, self.bundle.settings.temperature).exp().cpu().numpy()
            for row, index in enumerate(chosen):
                found[index] = probabilities[row, : len(read[index].emissions)]
        return found

    def batches(self, posts: Sequence[tuple[str, Sequence[Seen]]]) -> list[Batch]:
        """Return the batches that `annotate` gives to the tagger for these posts."""
        words = _words(posts, [split_words(text) for text, _ in posts])
        return [batch for _, batch in self._batches(self._encoder.windows(words), _features(posts))]

    def _read(self, words: Sequence[Sequence[str]], features: Sequence[Sequence[ImageFeatures]]) -> dict[int, _Words]:
        """Run the model on all windows, in batches of similar length and number of pictures."""
        tags = self.bundle.tagger.emissions.out_features
        read: dict[int, _Words] = {}
        for window in (windows := self._encoder.windows(words)):
            if window.post not in read:
                n, pictures = len(words[window.post]), min(len(features[window.post]), self.max_pictures)
                weights = [np.zeros((n, pictures * each), np.float32) for each in self._weights]
                read[window.post] = _Words(np.zeros((n, tags), np.float32), weights)

        batches = self._batches(windows, features)
        while some := list(islice(batches, BATCHES_HELD)):
            readings = self._pool.run(self._run, [batch for _, batch in some])
            for (alike, _), reading in zip(some, readings, strict=True):
                self._keep(alike, reading, min(len(features[alike[0].post]), self.max_pictures), read)
        return read

    def _run(self, batches: Sequence[Batch]) -> list[TaggerOutput]:
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            return [self._tagger(batch) for batch in batches]

    def _batches(self, windows: Sequence[Window], features: Sequence[Sequence[ImageFeatures]]) -> Iterator[tuple[list[Window], Batch]]:
        def shape(window: Window) -> tuple[int, int]:
            return window.padded_length, min(len(features[window.post]), self.max_pictures)

        for _, of_one_shape in groupby(sorted(windows, key=shape), key=shape):
            group = list(of_one_shape)
            for start in range(0, len(group), self.batch_size):
                alike = group[start : start + self.batch_size]
                filled = alike + alike[:1] * (SMALLEST_BATCH - len(alike))
                batch = self._encoder.batch(filled, [features[window.post] for window in filled])
                yield alike, batch.map(lambda tensor: tensor.to(self._device))

    def _keep(self, windows: list[Window], reading: TaggerOutput, pictures: int, read: dict[int, _Words]) -> None:
        emissions = reading.emissions.float().cpu().numpy()
        weights = [
            self._pooled(granularity, used, pictures) for granularity, used in zip(self._encoder.granularities, reading.used, strict=True)
        ]
        for i, window in enumerate(windows):
            of_post = read[window.post]
            of_post.emissions[window.owned] = emissions[i, window.first_pieces]
            for kept, pooled in zip(of_post.weights, weights, strict=True):
                if pooled is not None:
                    kept[window.owned] = pooled[i, window.first_pieces]

    def _pooled(self, granularity: Granularity, used: torch.Tensor, pictures: int) -> np.ndarray | None:
        """Weights of rows (B, L, R) as evidence needs them, (B, L, pictures * E); None where there was nothing to read."""
        each = granularity.rows_per_picture(self._encoder.source)
        if not pictures * each:
            return None
        of_pictures = used[:, :, : pictures * each].float().cpu().unflatten(2, (pictures, each))
        return granularity.pool(of_pictures).flatten(2).numpy()

    def _emissions(self, read: dict[int, _Words]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Posts of like length together: their indices, emissions (B, W, T), mask (B, W)."""
        by_length = deque(sorted(read, key=lambda index: len(read[index].emissions)))
        while by_length:
            batch = [by_length.popleft()]
            while by_length and (len(batch) + 1) * len(read[by_length[0]].emissions) <= CRF_WORDS:
                batch.append(by_length.popleft())
            lengths = torch.tensor([len(read[index].emissions) for index in batch])
            emissions = torch.zeros(len(batch), int(lengths.max()), self._tagger.crf.end.numel())
            for row, index in enumerate(batch):
                emissions[row, : lengths[row]] = torch.from_numpy(read[index].emissions)
            mask = torch.arange(emissions.shape[1]) < lengths[:, None]
            yield batch, emissions.to(self._device), mask.to(self._device)

    def _spans(self, read: dict[int, _Words]) -> Iterator[tuple[int, Span, float]]:
        """Best spans of each post with their probabilities."""
        crf = self._tagger.crf
        for batch, emissions, mask in self._emissions(read):
            paths = crf.decode(emissions, mask).cpu().tolist()
            found = [(row, span) for row, path in enumerate(paths) for span in spans_of(path[: len(read[batch[row]].emissions)])]
            if found:
                spans = torch.tensor([(row, *span) for row, span in found], device=self._device)
                scores = crf.span_log_probabilities(emissions, mask, spans, self.bundle.settings.temperature).exp().tolist()
                for (row, span), score in zip(found, scores, strict=True):
                    yield batch[row], span, score

    def _evidence(self, pictures: Sequence[Seen], words: _Words, span: Span) -> tuple[Evidence, ...]:
        """Return the evidence for an entity, largest weight first."""
        means = [weights[span.first : span.last + 1].mean(0) for weights in words.weights]
        source = self._encoder.source
        evidence: list[Evidence] = []
        for j, (key, image_features) in enumerate(pictures[: self.max_pictures]):
            for granularity, each, mean in zip(self._encoder.granularities, self._weights, means, strict=True):
                evidence += granularity.evidence(key, image_features, mean[j * each : (j + 1) * each], source)
        return tuple(sorted(evidence, key=lambda item: -round(item.weight, 3)))  # objects of one class are read alike


def _words(posts: Sequence[tuple[str, Sequence[Seen]]], bounds: Sequence[Sequence[tuple[int, int]]]) -> list[list[str]]:
    return [[text[a:b] for a, b in spans] for (text, _), spans in zip(posts, bounds, strict=True)]


def _features(posts: Sequence[tuple[str, Sequence[Seen]]]) -> list[list[ImageFeatures]]:
    return [[seen.features for seen in pictures] for _, pictures in posts]
