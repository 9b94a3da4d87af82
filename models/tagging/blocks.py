"""The texts of a picture. Lines that were read are joined to blocks, so that a name that is broken over lines is read whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.vision.images.features import TextLine

OCR, ALT = "ocr", "alt"

MIN_SCORE = 0.9
"""Blocks that were read with a lower score are kept, but no names are looked for in them: most would be words that were read wrongly."""

LIKE_HEIGHT = 0.6
"""Smaller over larger height of two lines of one block, at least."""

SHARED_SIDE = 0.5
"""Overlap of two lines of one block, at least, over the smaller one: in width one below the other, in height side by side."""

GAP_BELOW, GAP_BESIDE = 0.5, 1.0
"""Distance of two lines of one block, at most, in heights of the smaller one."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that are one text.

    Attributes:
        text: of the lines in reading order, one space between two lines.
        box: (4,) float32, xyxy, pixels of the original: the hull of the lines.
        score: mean of the lines, weighted by their characters.
    """

    text: str
    box: np.ndarray
    score: float


@dataclass(frozen=True, slots=True)
class PictureText:
    """One text of a picture: a block of lines that were read, or its alt text.

    Attributes:
        kind: `ocr` or `alt`.
        text: without spaces at its ends where it was read; an alt text stands as it was given.
        box: xyxy, pixels of the original, or None for an alt text.
        score: of the reader, or None for an alt text.
    """

    kind: str
    text: str
    box: tuple[float, float, float, float] | None = None
    score: float | None = None

    @property
    def is_legible(self) -> bool:
        """Whether it was read well enough to look for names in it."""
        return self.score is None or self.score >= MIN_SCORE


def texts_of(lines: Sequence[TextLine], alt: str | None) -> list[PictureText]:
    """Return the texts of one picture: blocks in reading order, then the alt text unless it is missing or blank."""
    texts = []
    for block in join_lines(lines):
        x1, y1, x2, y2 = block.box.tolist()
        texts.append(PictureText(OCR, block.text, (x1, y1, x2, y2), block.score))
    return texts + ([PictureText(ALT, alt)] if alt and not alt.isspace() else [])


def join_lines(lines: Sequence[TextLine]) -> list[Block]:
    """Return the blocks of one picture, in the order of their first lines; each line is in exactly one block."""
    if not lines:
        return []
    boxes = np.stack([line.box for line in lines])
    linked = _linked(boxes)
    blocks, left = [], set(range(len(lines)))
    for first in range(len(lines)):
        if first not in left:
            continue
        members, reached = [], [first]
        left.discard(first)
        while reached:
            members.append(reached.pop())
            reached += (others := left.intersection(np.flatnonzero(linked[members[-1]]).tolist()))
            left -= others
        blocks.append(_block([lines[i] for i in _reading_order(members, boxes)]))
    return blocks


def _linked(boxes: np.ndarray) -> np.ndarray:
    """(N, N) bool, whether two lines follow each other in one block."""
    sizes = boxes[:, 2:] - boxes[:, :2]  # shape: (N, 2)
    smaller, larger = np.minimum(sizes[:, None], sizes), np.maximum(sizes[:, None], sizes)  # shape: (N, N, 2)
    gaps = np.maximum(boxes[:, None, :2], boxes[:, :2]) - np.minimum(boxes[:, None, 2:], boxes[:, 2:])  # negative: an overlap
    width, height = smaller[..., 0], smaller[..., 1]
    gap_x, gap_y = gaps[..., 0], gaps[..., 1]
    below = (gap_y <= GAP_BELOW * height) & (-gap_x >= SHARED_SIDE * width)
    beside = (gap_x <= GAP_BESIDE * height) & (-gap_y >= SHARED_SIDE * height)
    return (height >= LIKE_HEIGHT * larger[..., 1]) & (below | beside)


def _reading_order(members: Sequence[int], boxes: np.ndarray) -> list[int]:
    """Rows from the top, each from the left; a line is in a row if half of its height is in that of the row's first line."""
    rows: list[list[int]] = []
    for i in sorted(members, key=lambda i: (boxes[i, 1] + boxes[i, 3], i)):
        if rows:
            head = boxes[rows[-1][0]]
            shared = min(head[3], boxes[i, 3]) - max(head[1], boxes[i, 1])
            if shared >= SHARED_SIDE * min(head[3] - head[1], boxes[i, 3] - boxes[i, 1]):
                rows[-1].append(i)
                continue
        rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: (boxes[i, 0], i))]


def _block(lines: Sequence[TextLine]) -> Block:
    boxes = np.stack([line.box for line in lines])
    return Block(
        " ".join(line.text for line in lines),
        np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)]),
        float(np.average([line.score for line in lines], weights=[len(line.text) for line in lines])),
    )
