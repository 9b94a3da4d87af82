"""Run the tagger on posts of any length, and collect its output per word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch

from models.inference.pool import InferencePool
from models.tagging.encoding import Encoder, Window
from models.tagging.granularities import Granularity
from models.tagging.tagger import Batch, Tagger, TaggerOutput
from models.vision.images.features import ImageFeatures

SUBWORDS_PER_BATCH = 128
"""Subwords, padding included, of a batch on a CPU: more do not fit into the caches, fewer read the weights too often.

A batch of windows of one length always has the same number of rows, the last one filled up with copies: results change
with the number of rows.
"""

WINDOWS_OF_ONE_POST = 8
"""Windows of a long post with pictures that are one batch, so that its pictures are computed once for all of them."""

BATCHES_HELD = 64
"""Batches whose emissions and weights are in memory at the same time."""


@dataclass(slots=True)
class WordOutputs:
    """Output of the tagger for the W words of one post.

    Attributes:
        emissions: (W, T) float32.
        weights: per granularity, (W, P * E) float32: E weights for each of P pictures (`Granularity.weights_per_picture`).
        visual: (W, G, T) float32, what each granularity adds to the emissions.
        text: (W, D) float32, M of the paper; None unless the words of pictures are read.
    """

    emissions: np.ndarray
    weights: list[np.ndarray]
    visual: np.ndarray
    text: np.ndarray | None = None


class WordTagger:
    """Splits posts into windows, runs the tagger on batches of them, and joins the results.

    Args:
        tagger: the model, on `device`; only what `Tagger.emit` needs if there is a `read_text`.
        encoder: makes windows and batches.
        device: of the tagger.
        batch_size: windows of full length per call of the tagger on a GPU, or more of shorter ones.
        threads: batches that run in parallel on a CPU.
        dtype: of matrix products on a GPU.
        read_text: computes `Tagger.read_text` of a batch, instead of the tagger.

    Attributes:
        on_batch: called after each batch with the number of posts that begin in it, from any thread.
    """

    def __init__(
        self,
        tagger: Tagger,
        encoder: Encoder,
        device: torch.device,
        batch_size: int,
        threads: int,
        dtype: torch.dtype = torch.float32,
        read_text: Callable[[Batch], torch.Tensor] | None = None,
    ) -> None:
        self._tagger = tagger
        self._encoder = encoder
        self._device = device
        self._is_fixed = device.type == "cpu"
        self._subwords_per_batch = SUBWORDS_PER_BATCH if self._is_fixed else batch_size * encoder.max_subwords
        self._read_text = read_text
        self._dtype = dtype
        self._pool = InferencePool(device, threads)
        self.on_batch: Callable[[int], None] = lambda posts: None
        self._weights_per_picture = [granularity.weights_per_picture(encoder.source) for granularity in encoder.granularities]

    def tag(self, words: Sequence[Sequence[str]], features: Sequence[Sequence[ImageFeatures]]) -> dict[int, WordOutputs]:
        """Return the outputs of each post that has words, by its index.

        Args:
            words: of each post.
            features: of the pictures of each post.
        """
        windows = self._encoder.windows(words)
        outputs: dict[int, WordOutputs] = {}
        for window in windows:
            if window.post not in outputs:
                outputs[window.post] = self._zeros(len(words[window.post]), self._pictures(features[window.post]))
        for of_batch, output in self._pool.stream(self._run, self._batches(windows, features), BATCHES_HELD):
            self._collect(of_batch, output, self._pictures(features[of_batch[0].post]), outputs)
        return outputs

    def batches(self, words: Sequence[Sequence[str]], features: Sequence[Sequence[ImageFeatures]]) -> list[Batch]:
        """Return the batches that `tag` runs the tagger on."""
        return [batch for _, batch in self._batches(self._encoder.windows(words), features)]

    def run(self, batches: Sequence[Batch]) -> list[TaggerOutput]:
        """Run the tagger on batches as `tag` does, and return its outputs: for timings."""
        return [output for _, output in self._pool.run(self._run, [([], batch) for batch in batches])]

    def _pictures(self, features: Sequence[ImageFeatures]) -> int:
        """Return how many pictures of a post the tagger reads."""
        return min(len(features), self._encoder.max_pictures)

    def _zeros(self, words: int, pictures: int) -> WordOutputs:
        weights = [np.zeros((words, pictures * each), np.float32) for each in self._weights_per_picture]
        tags = self._tagger.emissions.out_features
        text = np.zeros((words, self._tagger.combine.out_features), np.float32) if self._tagger.config.texts_width else None
        return WordOutputs(np.zeros((words, tags), np.float32), weights, np.zeros((words, len(weights), tags), np.float32), text)

    def _run(self, batches: Sequence[tuple[list[Window], Batch]]) -> list[tuple[list[Window], TaggerOutput]]:
        outputs = []
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            for windows, batch in batches:
                output = self._tagger.emit(self._read_text(batch), batch) if self._read_text else self._tagger(batch)
                outputs.append((windows, output))
                self.on_batch(sum(int(window.owned[0] == 0) for window in windows))
        return outputs

    def _batches(self, windows: Sequence[Window], features: Sequence[Sequence[ImageFeatures]]) -> Iterator[tuple[list[Window], Batch]]:
        """Batch windows of one padded length and one number of pictures, so that results do not depend on the others.

        A post of several windows and with pictures has batches of its own.
        """
        windows_of = Counter(window.post for window in windows)

        def shape(window: Window) -> tuple[int, int, int]:
            pictures = self._pictures(features[window.post])
            return window.padded_length, pictures, window.post if pictures and windows_of[window.post] > 1 else -1

        for (length, _, long_post), of_one_shape in groupby(sorted(windows, key=shape), key=shape):
            group = list(of_one_shape)
            rows = max(1, self._subwords_per_batch // length) if long_post < 0 else WINDOWS_OF_ONE_POST
            for start in range(0, len(group), rows):
                of_batch = padded = group[start : start + rows]
                posts = [long_post] if long_post >= 0 else [window.post for window in of_batch]
                if self._is_fixed and long_post < 0:
                    padded, posts = (of_batch * rows)[:rows], (posts * rows)[:rows]
                batch = self._encoder.batch(padded, [features[post] for post in posts])
                yield of_batch, batch.map(lambda tensor: tensor.to(self._device))

    def _collect(self, windows: list[Window], output: TaggerOutput, pictures: int, outputs: dict[int, WordOutputs]) -> None:
        """Copy the outputs at the first subword of each owned word from a batch to its posts."""
        assert output.visual is not None  # the tagger is not in training
        emissions, visual = output.emissions.float().cpu().numpy(), output.visual.float().cpu().numpy()
        weights = [
            self._pooled(granularity, used, pictures) for granularity, used in zip(self._encoder.granularities, output.used, strict=True)
        ]
        for i, window in enumerate(windows):
            of_post = outputs[window.post]
            of_post.emissions[window.owned] = emissions[i, window.first_subwords]
            of_post.visual[window.owned] = visual[i, window.first_subwords]
            if of_post.text is not None and output.text is not None:
                of_post.text[window.owned] = output.text[i, window.first_subwords].float().cpu().numpy()
            for target, pooled in zip(of_post.weights, weights, strict=True):
                if pooled is not None:
                    target[window.owned] = pooled[i, window.first_subwords]

    def _pooled(self, granularity: Granularity, used: torch.Tensor, pictures: int) -> np.ndarray | None:
        """Pool the weights of rows (B, L, R) to those of evidence, (B, L, P * E); None if the batch has no rows."""
        each = granularity.rows_per_picture(self._encoder.source)
        if not pictures * each:
            return None
        of_pictures = used[:, :, : pictures * each].float().cpu().unflatten(2, (pictures, each))
        return granularity.pool(of_pictures).flatten(2).numpy()
