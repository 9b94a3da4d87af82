"""What every text reader takes and returns. Imports no reader, so each reader can import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from archive.images.decode import Picture

LONGER, SHORTER = 1280, 480
"""Pixels that a decoder keeps of the sides of a picture for a text reader, where the picture has them."""

MAX_PIXELS, MAX_SIDE = 960 * 960, 4096
"""A larger picture is reduced to this area and this length of its longer side; a smaller one is not enlarged."""

MAX_LINES = 300
"""Lines kept of one picture, the first ones in reading order."""


class TextReaderError(ValueError):
    """The text reader cannot be loaded; the message is one sentence with the cure."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text in a picture.

    Attributes:
        text: as read, never empty, without spaces at its ends.
        box: (4,) float32, xyxy, pixels of the original; the hull where the line is rotated.
        score: mean probability of its characters.
    """

    text: str
    box: np.ndarray
    score: float


class TextReader(Protocol):
    """A text reader.

    Args:
        device: of the networks.
        threads: pictures at a time on a CPU.

    Attributes:
        name: what it is called, with the beginning of the SHA-256 of its models.
    """

    name: str

    def __init__(self, device: str, threads: int) -> None: ...

    def read(self, pictures: Sequence[Picture]) -> list[list[TextLine]]:
        """Lines of each picture in reading order, at most `MAX_LINES`; they do not depend on the other pictures."""
        ...
