"""What every text reader takes and returns. Imports no reader, so each reader can import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from archive.images.decode import Picture
from models.vision.images.features import TextLine

MAX_LINES = 300
"""Lines kept of one picture, the first ones in reading order."""


class TextReaderError(ValueError):
    """The text reader cannot be loaded; the message is one sentence with the cure."""


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
