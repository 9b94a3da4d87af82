"""Bytes to pixels. The bytes are hostile: size is capped before anything is decoded, and every failure has a name."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from archive.images.image_error import ImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
"""Formats of Pillow that are decoded; add one here."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own guard; ours is `Limits`, checked before each decode
Image.init()
warnings.filterwarnings("ignore", module=r"PIL\b")  # here, once: `catch_warnings` would mix up the filters of threads that decode

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
"""What undoes each EXIF orientation; `ImageOps.exif_transpose` also writes the EXIF anew, and fails where it is damaged."""


@dataclass(frozen=True)
class Limits:
    """What a picture may cost.

    Attributes:
        max_image_bytes: of the file.
        max_image_pixels: width times height, as the header says.
        decode_timeout_s: seconds that decoding may take before the picture is given up.
    """

    max_image_bytes: int = 20 * 2**20
    max_image_pixels: int = 100_000_000
    decode_timeout_s: float = 60.0


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


def decode(data: bytes, limits: Limits, longer: int, shorter: int = 0) -> Picture:
    """Decode a picture's first frame; transparency is shown on white.

    Args:
        data: the file.
        limits: checked before decoding.
        longer, shorter: pixels that the picture's sides will be scaled down to later: a JPEG may be decoded at a
            fraction of its size at which both are at least this.

    Raises:
        ImageError: not one of `FORMATS`, damaged, or over the limits.
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
    except Exception as error:  # decoders of hostile bytes raise SyntaxError, struct.error, zlib.error and what not
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
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the EXIF is damaged, the picture need not be
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):  # no fixed range: bytes where they can be
        values = np.asarray(image).astype(np.float32)
        top = max(255.0, float(values.max(initial=0)))
        return Image.fromarray((np.nan_to_num(values).clip(0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
