"""Bytes to pixels. The bytes are hostile: size is capped before anything is decoded, and every failure has a name."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
"""Formats of Pillow that are decoded; add one here."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own guard; ours is `Limits`, checked before each decode
Image.init()

_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class Limits:
    """What a picture may cost.

    Attributes:
        max_image_bytes: of the file.
        max_image_pixels: width times height, as the header says.
    """

    max_image_bytes: int = 20 * 2**20
    max_image_pixels: int = 100_000_000


class PictureError(ValueError):
    """A picture that cannot be used: `status` as in the images column (`corrupt`, `too_large`), and a fixed word why."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (h, w, 3) uint8 RGB; may be smaller than the original, never smaller than was asked for.
        width, height: of the original as a viewer shows it, EXIF orientation applied.
    """

    pixels: np.ndarray
    width: int
    height: int


def decode(data: bytes, limits: Limits, side: int) -> Picture:
    """Decode a picture's first frame; transparency is shown on white.

    Args:
        data: the file.
        limits: checked before decoding.
        side: pixels that the longer side will be scaled down to later: a JPEG may be decoded at a fraction of its
            size that is at least this.

    Raises:
        PictureError: not one of `FORMATS`, damaged, or over the limits.
    """
    if len(data) > limits.max_image_bytes:
        raise PictureError("too_large", "too_many_bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, limits, side)
    except PictureError:
        raise
    except Image.UnidentifiedImageError as error:
        raise PictureError("corrupt", "not_an_image") from error
    except MemoryError as error:
        raise PictureError("too_large", "out_of_memory") from error
    except Exception as error:  # decoders of hostile bytes raise SyntaxError, struct.error, zlib.error and what not
        raise PictureError("corrupt", "undecodable") from error


def _decode(data: bytes, limits: Limits, side: int) -> Picture:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > limits.max_image_pixels:
            raise PictureError("too_large", "too_many_pixels")
        turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
        shrink = min(1.0, side / max(width, height))
        image.draft("RGB", (max(1, int(width * shrink)), max(1, int(height * shrink))))
        image.load()
        upright = ImageOps.exif_transpose(image)
        if turned:
            width, height = height, width
        return Picture(np.asarray(_to_rgb(upright)), width, height)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS or image.mode == "F":
        values = np.asarray(image).astype(np.float32)
        top = 65535.0 if image.mode != "F" and values.max(initial=0) > 255 else max(255.0, float(values.max(initial=0)))
        return Image.fromarray((np.nan_to_num(values).clip(0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
