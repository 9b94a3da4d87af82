"""Why a picture cannot be used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(unsafe_hash=True)
class ImageError(ValueError):
    """A picture cannot be used. It is raised, or takes the picture's place in a result.

    Attributes:
        status: as in the images column: `missing`, `corrupt`, `too_large`.
        reason: one fixed word for each kind of trouble.
    """

    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"
