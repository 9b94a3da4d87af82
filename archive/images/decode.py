"""Decode the bytes of a picture to pixels.

The bytes are not trusted. Size is checked before decoding, and every failure has a reason code.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from archive.images.image_error import ImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
"""Pillow formats that are decoded; add new ones here."""

Image.MAX_IMAGE_PIXELS = None  # replaces Pillow's check: `Limits` is checked before each decode
Image.init()
warnings.filterwarnings("ignore", module=r"PIL\b")  # once here: `catch_warnings` is not thread-safe

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transpose that undoes each EXIF orientation.

`ImageOps.exif_transpose` is not used: it also rewrites the EXIF data, and fails if they are damaged.
"""


@dataclass(frozen=True)
class Limits:
    """Hold the limits on file size, pixels and decoding time of one picture.

    Attributes:
        max_image_bytes: size of the file.
        max_image_pixels: width times height, according to the header.
        decode_timeout_s: seconds that decoding may take before the picture is rejected.
    """

    max_image_bytes: int = 20 * 2**20
    max_image_pixels: int = 100_000_000
    decode_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Picture:
    """Hold a decoded picture.

    Attributes:
        pixels: (h, w, 3) uint8 RGB; may be smaller than the original, never smaller than requested.
        width, height: size of the original in pixels, after EXIF orientation is applied.
    """

    pixels: np.ndarray
    width: int
    height: int


def decode(data: bytes, limits: Limits, longer: int, shorter: int = 0) -> Picture:
    """Decode a picture's first frame; transparent areas are blended with white.

    Args:
        data: content of the file.
        limits: checked before decoding.
        longer, shorter: lengths in pixels to which the sides will be scaled later. A JPEG may be decoded at reduced
            size, but its sides are at least this long.

    Raises:
        ImageError: the picture is not in one of `FORMATS`, is damaged, or exceeds the limits.
    """
    if len(data) > limits.max_image_bytes:
        raise ImageError("too_large", "too_many_bytes")
    try:
        return _decode(data, limits, longer, shorter)
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        raise ImageError("corrupt", "not_an_image") from error
    except MemoryError as error:
        raise ImageError("too_large", "out_of_memory") from error
    except Exception as error:  # on damaged bytes decoders raise SyntaxError, struct.error, zlib.error and others
        raise ImageError("corrupt", "undecodable") from error


def _decode(data: bytes, limits: Limits, longer: int, shorter: int) -> Picture:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > limits.max_image_pixels:
            raise ImageError("too_large", "too_many_pixels")
        orientation = _orientation(image)
        shrink = min(1.0, max(longer / max(width, height), shorter / min(width, height)))
        image.draft("RGB", (max(1, int(width * shrink)), max(1, int(height * shrink))))
        rgb = _to_rgb(image)
        if orientation in _TURNS:
            rgb = rgb.transpose(_TURNS[orientation])
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        return Picture(np.asarray(rgb), width, height)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow already applies the orientation
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data do not mean a damaged picture
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):  # no fixed range: values up to 255 are kept, larger ranges are scaled to 255
        values = np.asarray(image).astype(np.float32)
        top = max(255.0, float(values.max(initial=0)))
        return Image.fromarray((np.nan_to_num(values).clip(0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
