"""Limits on what is decoded; apart from the decoder, whose libraries are slow to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Hold the limits on file size, pixels and decoding time of one picture.

    Attributes:
        max_image_bytes: size of the file.
        max_image_pixels: width times height of what is decoded. It is checked before decoding, against the header. A JPEG
            is decoded at reduced size where that is enough; see `_load_jpeg`.
        decode_timeout_s: seconds that decoding may take before the picture is rejected.
    """

    max_image_bytes: int = 20 * 2**20
    max_image_pixels: int = 100_000_000
    decode_timeout_s: float = 60.0
