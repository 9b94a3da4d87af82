"""Our two networks as a peer holds them: one instance in each of its workers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from archive.images.decode import Limits
from bench.peers.rows import Row
from models.annotation import AnnotatedImage, Annotation
from models.inference.options import ModelOptions
from models.loading import load_annotator, load_vision_model


class Networks:
    """Reads, decodes, detects and tags posts in this process.

    Args:
        threads: of both networks.
        precision: as `--precision` of the command.
    """

    def __init__(self, threads: int, precision: str) -> None:
        options = ModelOptions(device="cpu", threads=threads, precision=precision)
        self._vision_model, self._annotator = load_vision_model(options), load_annotator(options)
        self.ready = time.time()

    def rows(self, texts: Sequence[str], files: Sequence[Sequence[str]], ids: Sequence[str]) -> list[str]:
        """Return the row of each post as a line of JSON, which also tells when the networks were loaded."""
        pictures = [path for of_post in files for path in of_post]
        images = [self._vision_model.preprocess(Path(path).read_bytes(), Limits()) for path in pictures]
        features = dict(zip(pictures, self._vision_model.extract(images), strict=True))
        entities = self._annotator.annotate(
            [(text, {path: features[path] for path in of_post}) for text, of_post in zip(texts, files, strict=True)]
        )
        names = self._vision_model.names
        rows = []
        for post_id, text, of_post, found in zip(ids, texts, files, entities, strict=True):
            shown = tuple(AnnotatedImage.of(path, features[path], names) for path in of_post)
            columns = Annotation(text, tuple(found), shown).to_dict()
            rows.append(json.dumps({"ready": self.ready, "row": Row.of(post_id, columns["entities"], columns["images"]).to_json()}))
        return rows


def collected(lines: Sequence[str]) -> tuple[list[str], float]:
    """Return the rows of all workers, and when the last worker had loaded its networks."""
    answers = [json.loads(line) for line in lines]
    return [answer["row"] for answer in answers], max(answer["ready"] for answer in answers)
