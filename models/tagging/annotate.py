"""Annotate posts with named entities: their types, probabilities, and evidence in the pictures."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from models.tagging.bundle import Bundle, load_bundle
from models.tagging.encoding import Encoder
from models.tagging.evidence import visual_share, weighed
from models.tagging.granularities import Evidence, Source
from models.tagging.labels import Span, spans_of, with_others
from models.tagging.tag_texts import TextWeight, add_texts
from models.tagging.tag_words import WordOutputs, WordTagger
from models.tagging.tagger import Batch, Tagger
from models.tagging.text_engine import TextEngine, TextEngineError
from models.tagging.words import split_words
from models.vision.images.features import ImageFeatures

log = logging.getLogger(__name__)

MAX_CRF_WORDS = 2**15
"""Words, padding included, in one batch of the CRF. A long post goes alone, so that short ones are not padded to its length."""

FAVOUR = 2.0
"""What a word outside of names counts less in the second reading, a score of the CRF: its probability by e^2 less."""

TextAndPictures = tuple[str, Mapping[str, ImageFeatures]]
"""The text of a post, and the features of its pictures by key, in the order of the post."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity in the text of a post.

    Attributes:
        text: `text[start:end]` of the post.
        type: entity type, such as `PER`.
        start, end: Unicode code points.
        score: probability of the whole span with this type.
        evidence: shares of pictures and of objects, largest first; what they lack to 1 is the text's own. Empty if no
            picture of the post was read.
    """

    text: str
    type: str
    start: int
    end: int
    score: float
    evidence: tuple[Evidence, ...]


class Annotator:
    """Annotates posts with one bundle.

    Args:
        bundle: from `load_bundle`; what its tagger lacks is loaded if it is needed.
        object_names: class names of the detector in use, by id. Classes that the bundle does not know are ignored.
        grid: `VisionModel.grid_id` of the network in use. Grids are ignored unless it is the network of the bundle's training.
        device: of the model.
        batch_size: windows of full length per call of the tagger on a GPU; a CPU has batches of its own.
        threads: batches that run in parallel on a CPU.
        precision: number format of matrix products: `float32`, `bfloat16`, or on a CPU `int8`. On a CPU float32 is torch,
            the others are OpenVINO; where that cannot run the text encoder, torch does in float32.

    Attributes:
        bundle: its tagger lacks the text parts where OpenVINO runs them.
        engine: what runs the tagger, and in which number format.
    """

    def __init__(
        self,
        bundle: Bundle,
        object_names: Sequence[str],
        grid: str | None,
        device: str = "cpu",
        batch_size: int = 32,
        threads: int = 1,
        precision: str = "float32",
    ) -> None:
        self._device = torch.device(device)
        read_text, self.engine = _text_engine(bundle, precision, threads) if device == "cpu" else (None, f"torch {precision}")
        if read_text is not None:
            bundle = replace(bundle, tagger=bundle.tagger.without_text_parts())
        elif not bundle.tagger.reads_text:
            bundle = load_bundle(bundle.folder)
        self.bundle = bundle
        self._tagger = bundle.tagger.to(self._device)
        settings = bundle.settings
        class_ids = {name: index for index, name in enumerate(settings.object_names)}
        self._source = Source(
            tuple(object_names),
            class_map=np.array([class_ids.get(name, -1) for name in object_names], np.int64),
            reads_grid=grid is not None and grid == settings.grid,
            max_objects=settings.max_objects,
        )
        config = bundle.tagger.config
        encoder = Encoder(bundle.tokenizer, config, bundle.table, settings.max_pieces, settings.max_pictures, self._source)
        self._granularities = encoder.granularities
        dtype = torch.bfloat16 if self._device.type != "cpu" and precision == "bfloat16" else torch.float32
        self._words = WordTagger(self._tagger, encoder, self._device, batch_size, threads, dtype, read_text)

    def tell_batches(self, on_batch: Callable[[int], None]) -> None:
        """Call this after each batch with the number of texts that begin in it; from any thread, for progress only."""
        self._words.on_batch = on_batch

    @property
    def reads_texts(self) -> bool:
        """Whether the tagger reads the words of pictures: `ImageFeatures.lines` and `alt`."""
        return self.bundle.tagger.config.texts_width > 0

    @property
    def max_pictures(self) -> int:
        """How many pictures of a post are read: the first ones."""
        return self.bundle.settings.max_pictures

    def annotate(self, posts: Sequence[TextAndPictures], doubtful: bool = False) -> list[list[Entity]]:
        """Return the entities of each post, in text order. The result for a post does not depend on the others.

        A text that several posts without pictures have is tagged once: archives hold greetings, emoji and copies.

        Args:
            posts: texts and their pictures.
            doubtful: give also entities below `BundleSettings.min_score`, and those of a second reading that favours names,
                where the best one has none. Their scores are probabilities as those of the others.
        """
        keys = [number if pictures else text for number, (text, pictures) in enumerate(posts)]
        distinct = dict(zip(keys, posts, strict=True))
        entities = dict(zip(distinct, self._annotate([*distinct.values()], doubtful), strict=True))
        return [[*entities[key]] for key in keys]

    @torch.inference_mode()
    def _annotate(self, posts: Sequence[TextAndPictures], doubtful: bool) -> list[list[Entity]]:
        bounds = [split_words(text) for text, _ in posts]
        outputs, texts = self._outputs(_words(posts, bounds), _features(posts))
        entities: list[list[Entity]] = [[] for _ in posts]
        for index, span, score, text_score in self._spans(outputs, doubtful):
            if score < self.bundle.settings.min_score and not doubtful:
                continue
            text, pictures = posts[index]
            start, end = bounds[index][span.first][0], bounds[index][span.last][1]
            kind = self.bundle.tagger.config.types[span.type]
            evidence = self._evidence(pictures, outputs[index], texts.get(index, []), span, visual_share(score, text_score))
            entities[index].append(Entity(text[start:end], kind, start, end, score, evidence))
        return entities

    @torch.inference_mode()
    def marginals(self, posts: Sequence[TextAndPictures]) -> list[np.ndarray]:
        """Return the CRF's probability of each tag for each word of `split_words`: (W, T) float32 per post."""
        outputs, _ = self._outputs(*_words_and_features(posts))
        tags = self.bundle.tagger.emissions.out_features
        marginals = [np.zeros((0, tags), np.float32)] * len(posts)
        for indices, emissions, mask in self._crf_batches(outputs):
            probabilities = self._tagger.crf.log_marginals(emissions, mask, self.bundle.settings.temperature).exp().cpu().numpy()
            for row, index in enumerate(indices):
                marginals[index] = probabilities[row, : len(outputs[index].emissions)]
        return marginals

    def _outputs(
        self, words: Sequence[Sequence[str]], features: Sequence[Sequence[ImageFeatures]]
    ) -> tuple[dict[int, WordOutputs], dict[int, list[TextWeight]]]:
        """Return the outputs of each post that has words, and the weights of the texts of its pictures, by its index."""
        outputs = self._words.tag(words, features)
        if not self.reads_texts:
            return outputs, {}
        read = [of_post[: self.max_pictures] for of_post in features]
        return outputs, add_texts(words, read, outputs, self._words, self._tagger)

    def batches(self, posts: Sequence[TextAndPictures]) -> list[Batch]:
        """Return the batches that `annotate` gives to the tagger for these posts."""
        return self._words.batches(*_words_and_features(posts))

    def run(self, batches: Sequence[Batch]) -> None:
        """Run the tagger, and nothing else, on batches: for timings."""
        self._words.run(batches)

    def _crf_batches(self, outputs: dict[int, WordOutputs]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Batch posts of similar length for the CRF: their indices, emissions (B, W, T) and mask (B, W)."""
        by_length = deque(sorted(outputs, key=lambda index: len(outputs[index].emissions)))
        while by_length:
            batch = [by_length.popleft()]
            while by_length and (len(batch) + 1) * len(outputs[by_length[0]].emissions) <= MAX_CRF_WORDS:
                batch.append(by_length.popleft())
            lengths = torch.tensor([len(outputs[index].emissions) for index in batch])
            emissions = torch.zeros(len(batch), int(lengths.max()), self._tagger.crf.end.numel())
            for row, index in enumerate(batch):
                emissions[row, : lengths[row]] = torch.from_numpy(outputs[index].emissions)
            mask = torch.arange(emissions.shape[1]) < lengths[:, None]
            yield batch, emissions.to(self._device), mask.to(self._device)

    def _spans(self, outputs: dict[int, WordOutputs], doubtful: bool) -> Iterator[tuple[int, Span, float, float]]:
        """Decode the posts: index of the post, span, probability of the span, and its probability by the text alone."""
        for batch, emissions, mask in self._crf_batches(outputs):
            lengths = mask.sum(1).tolist()
            read = self._read(emissions, mask, lengths)
            if doubtful:
                outside = torch.zeros_like(emissions)
                outside[..., 0] = FAVOUR
                second = self._read(emissions - outside, mask, lengths)
                read = [with_others(best, others) for best, others in zip(read, second, strict=True)]
            found = [(row, span) for row, of_row in enumerate(read) for span in of_row]
            if found:
                spans = torch.tensor([(row, *span) for row, span in found], device=self._device)
                scores, text_scores = self._scores(emissions, self._of_text(batch, emissions, outputs), mask, spans)
                for (row, span), score, text_score in zip(found, scores, text_scores, strict=True):
                    yield batch[row], span, score, text_score

    def _read(self, emissions: torch.Tensor, mask: torch.Tensor, lengths: Sequence[int]) -> list[list[Span]]:
        """Return the spans of the best sequence of each post, given the emissions (B, W, T), the mask (B, W) and their lengths."""
        paths = self._tagger.crf.decode(emissions, mask).cpu().tolist()
        return [spans_of(path[:length]) for path, length in zip(paths, lengths, strict=True)]

    def _of_text(self, batch: Sequence[int], emissions: torch.Tensor, outputs: dict[int, WordOutputs]) -> torch.Tensor:
        """Return the emissions (B, W, T) without what the pictures add: the same tensor if they add nothing."""
        if not any(outputs[index].visual.any() for index in batch):
            return emissions
        visual = torch.zeros(emissions.shape)
        for row, index in enumerate(batch):
            visual[row, : len(outputs[index].visual)] = torch.from_numpy(outputs[index].visual.sum(1))
        return emissions - visual.to(self._device)

    def _scores(self, emissions: torch.Tensor, of_text: torch.Tensor, mask: torch.Tensor, spans: torch.Tensor) -> list[list[float]]:
        """Return the probability of each span, and its probability by the text alone, in one pass of the CRF."""
        temperature = self.bundle.settings.temperature
        if of_text is emissions:
            return [self._tagger.crf.span_log_probabilities(emissions, mask, spans, temperature).exp().tolist()] * 2
        again = spans + torch.tensor([len(emissions), 0, 0, 0], device=self._device)
        both, masks = torch.cat([emissions, of_text]), torch.cat([mask, mask])
        scores = self._tagger.crf.span_log_probabilities(both, masks, torch.cat([spans, again]), temperature)
        return scores.exp().unflatten(0, (2, len(spans))).tolist()

    def _evidence(
        self, pictures: Mapping[str, ImageFeatures], outputs: WordOutputs, texts: Sequence[TextWeight], span: Span, share: float
    ) -> tuple[Evidence, ...]:
        """Return the evidence for an entity, `share` of it visual, largest weight first."""
        read = [*pictures.items()][: self.max_pictures]
        if not read:
            return ()
        words = slice(span.first, span.last + 1)
        found = []
        for granularity, of_rows in zip(self._granularities, outputs.weights, strict=True):
            of_pictures = np.split(of_rows[words].mean(0), len(read))
            found.append(
                [
                    one
                    for (key, image_features), weights in zip(read, of_pictures, strict=True)
                    for one in granularity.evidence(key, image_features, weights, self._source)
                ]
            )
        if self.reads_texts:
            found.append([Evidence(read[one.picture][0], one.text.kind, one.text.box, float(one.weights[words].mean())) for one in texts])
        return weighed(found, outputs.visual[words], share)


def _text_engine(bundle: Bundle, precision: str, threads: int) -> tuple[TextEngine | None, str]:
    """Return what reads texts on a CPU, None for the tagger itself, and its name."""
    if precision == "float32":
        return None, "torch float32"
    try:
        engine = TextEngine(bundle, cache(lambda: _whole(bundle)), precision, threads)
    except TextEngineError as error:
        log.warning("the text encoder of %s runs in float32 on torch, not in %s on OpenVINO: %s", bundle.label, precision, error)
        return None, "torch float32"
    return engine, engine.name


def _whole(bundle: Bundle) -> Tagger:
    return bundle.tagger if bundle.tagger.reads_text else load_bundle(bundle.folder).tagger


def _words(posts: Sequence[TextAndPictures], bounds: Sequence[Sequence[tuple[int, int]]]) -> list[list[str]]:
    return [[text[start:end] for start, end in of_post] for (text, _), of_post in zip(posts, bounds, strict=True)]


def _features(posts: Sequence[TextAndPictures]) -> list[list[ImageFeatures]]:
    return [[*pictures.values()] for _, pictures in posts]


def _words_and_features(posts: Sequence[TextAndPictures]) -> tuple[list[list[str]], list[list[ImageFeatures]]]:
    return _words(posts, [split_words(text) for text, _ in posts]), _features(posts)
