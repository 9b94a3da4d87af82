"""Decode the bytes of a picture to pixels.

The bytes are not trusted. Size is checked before decoding, and every failure has a reason code.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import AvifImagePlugin, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from archive.images import jpeg
from archive.images.image_error import ImageError
from archive.images.limits import Limits as Limits
from archive.images.recognise import explain

try:
    import pillow_heif
except ImportError:
    _DECODED = {"avif"}
else:
    pillow_heif.register_heif_opener()
    pillow_heif.options.DECODE_THREADS = 1
    _DECODED = {"avif", "heic"}

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", *(["HEIF"] if "heic" in _DECODED else []))
"""Pillow formats that are decoded; add new ones here. MPO is opened as JPEG. HEIF needs the package pillow-heif."""

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # pictures are decoded in parallel, one thread each
Image.init()
warnings.filterwarnings("ignore", module=r"PIL\b")  # once here: `catch_warnings` is not thread-safe

_ORIENTATION, _NEW_SUBFILE_TYPE, _DNG_VERSION = 0x0112, 0x00FE, 0xC612
_OPENING = threading.Lock()
_PIXEL_BYTES = 4
"""Bytes of a pixel in Pillow."""

_MOST_SHRUNK = 4
"""Pixels of a JPEG by its header, as a multiple of the limit on those that are decoded."""

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


@dataclass(frozen=True, slots=True)
class Picture:
    """Hold a decoded picture.

    Attributes:
        pixels: (h, w, 3) uint8 RGB; may be smaller than the original, never smaller than requested.
        width, height: size of the original in pixels, after EXIF orientation is applied.
        missing_rows: share of the rows that a cut JPEG has no data for, 0 to 1; they are grey.
    """

    pixels: np.ndarray
    width: int
    height: int
    missing_rows: float = 0.0

    @property
    def is_partial(self) -> bool:
        """Whether more than a twentieth of the rows are missing."""
        return self.missing_rows > 0.05


def decode(data: bytes, limits: Limits, longer: int, shorter: int = 0) -> Picture:
    """Decode a picture's first frame; transparent areas are blended with white.

    Args:
        data: content of the file.
        limits: checked before decoding.
        longer, shorter: lengths in pixels to which the sides will be scaled later. A JPEG may be decoded at reduced
            size, but its sides are at least this long.

    Raises:
        ImageError: the picture is `unsupported` (a known format, not in `FORMATS`), `corrupt` or `too_large`.
    """
    if len(data) > limits.max_image_bytes:
        raise ImageError("too_large", "too_many_bytes")
    try:
        return _decode(data, limits, longer, shorter)
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        raise explain(data, _DECODED, "not_an_image") from error
    except MemoryError as error:
        raise ImageError("too_large", "out_of_memory") from error
    except Exception as error:  # on damaged bytes decoders raise SyntaxError, struct.error, zlib.error and others
        raise explain(data, _DECODED, "undecodable") from error


def _decode(data: bytes, limits: Limits, longer: int, shorter: int) -> Picture:
    with _opened(data) as image:
        width, height = image.size
        orientation = _orientation(image)
        shrink = min(1.0, max(longer / max(width, height), shorter / min(width, height)))
        image.draft("RGB", (max(1, int(width * shrink)), max(1, int(height * shrink))))
        if image.width * image.height > limits.max_image_pixels:
            raise ImageError("too_large", "too_many_pixels")
        if isinstance(image, JpegImageFile):
            missing = _load_jpeg(image, data, (width, height), limits)
        elif _is_raw(image, data):
            raise ImageError("unsupported", "raw")
        else:
            missing = 0.0
        return _upright(image, width, height, orientation, missing)


def from_pillow(image: Image.Image, limits: Limits) -> Picture:
    """Return an image that the caller has opened or made, at its full size. It is decoded here if it is not yet.

    Raises:
        ImageError: the image is `corrupt` or `too_large`.
    """
    if image.width * image.height > limits.max_image_pixels:
        raise ImageError("too_large", "too_many_pixels")
    try:
        orientation = _orientation(image)
        image.load()
        return _upright(image, image.width, image.height, orientation)
    except MemoryError as error:
        raise ImageError("too_large", "out_of_memory") from error
    except Exception as error:  # on damaged bytes decoders raise SyntaxError, struct.error, zlib.error and others
        raise ImageError("corrupt", "undecodable") from error


def _upright(image: Image.Image, width: int, height: int, orientation: int, missing_rows: float = 0.0) -> Picture:
    """Return the picture of a decoded image of this original size, turned by its orientation."""
    rgb = _to_rgb(image)
    if orientation in _TURNS:
        rgb = rgb.transpose(_TURNS[orientation])
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Picture(np.asarray(rgb), width, height, missing_rows)


def _opened(data: bytes) -> Image.Image:
    """Open a picture without Pillow's own check of its size, which is a setting of the process: `Limits` are checked instead."""
    with _OPENING:
        most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(BytesIO(data), formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = most


def _load_jpeg(image: JpegImageFile, data: bytes, size: tuple[int, int], limits: Limits) -> float:
    """Decode a JPEG, also if its end is missing, and return the share of its rows that are missing.

    The limit on pixels is for the reduced picture, so that photos of 200 megapixels are decoded. What does not shrink
    with it is limited too: the time to read all blocks by `_MOST_SHRUNK`, and the memory for the coefficients of
    a picture of several scans by the memory that as many pixels as allowed take.
    """
    layout = jpeg.layout(data)
    if size[0] * size[1] > _MOST_SHRUNK * limits.max_image_pixels or layout.coefficient_bytes > _PIXEL_BYTES * limits.max_image_pixels:
        raise ImageError("too_large", "too_many_pixels")
    if layout.scans > jpeg.MOST_SCANS:
        raise ImageError("corrupt", "too_many_scans")
    if layout.has_end or layout.first_scan is None:
        image.load()
        return 0.0
    # Pillow's switch for cut pictures is global, and would also fill the other formats.
    closed = jpeg.closed(data, layout.first_scan)
    if closed:
        image.fp = BytesIO(closed)
        image.load()
        missing = jpeg.missing_rows(image)
    if not closed or missing == 1.0:
        raise ImageError("corrupt", "truncated")
    return missing


def _is_raw(image: Image.Image, data: bytes) -> bool:
    """Return True for a camera's raw file, a TIFF whose first picture is only a thumbnail."""
    if not isinstance(image, TiffImageFile):
        return False
    return data[8:10] == b"CR" or _DNG_VERSION in image.tag_v2 or image.tag_v2.get(_NEW_SUBFILE_TYPE) == 1


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
    return image if image.mode == "RGB" else image.convert("RGB")
