"""Define the error for a picture that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(unsafe_hash=True)
class ImageError(ValueError):
    """Say why a picture cannot be used. It is raised, or returned in place of the picture.

    Attributes:
        status: as in the images column: `missing`, `ambiguous`, `corrupt`, `unsupported`, `too_large`.
        reason: one fixed code per cause.
    """

    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"
