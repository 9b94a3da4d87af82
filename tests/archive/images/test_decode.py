"""Decoding: every form that a picture comes in, and everything that is none."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from archive.images.decode import FORMATS, Limits, decode
from archive.images.image_error import ImageError

LIMITS = Limits(max_image_bytes=2**20, max_image_pixels=10**6)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def reason(data: bytes, limits: Limits = LIMITS) -> tuple[str, str]:
    with pytest.raises(ImageError) as caught:
        decode(data, limits, 64)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_its_colour(kind: str) -> None:
    picture = decode(encoded(Image.new("RGB", (30, 20), (200, 40, 90)), kind), LIMITS, 640)
    assert (picture.width, picture.height, picture.pixels.shape) == (30, 20, (20, 30, 3))
    assert np.abs(picture.pixels.astype(int) - [200, 40, 90]).max() <= 12


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("P", (4, 4), 0), None),
        (Image.new("L", (4, 4), 77), [77] * 3),
        (Image.new("1", (4, 4), 1), [255] * 3),
        (Image.new("LA", (4, 4), (0, 0)), [255] * 3),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 0)), [255] * 3),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 255)), [10, 20, 30]),
        (Image.fromarray(np.full((4, 4), 65535, np.uint16)), [255] * 3),
        (Image.fromarray(np.linspace(0, 65535, 16).reshape(4, 4).astype(np.uint16)), None),
    ],
)
def test_modes(image: Image.Image, expected: list[int] | None) -> None:
    pixels = decode(encoded(image), LIMITS, 64).pixels
    assert pixels.shape == (4, 4, 3)
    if expected:
        assert (pixels == expected).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    pixels = decode(encoded(Image.fromarray(ramp)), LIMITS, 64).pixels
    assert np.abs(pixels[..., 0].astype(int) - (ramp // 257)).max() <= 1


def test_cmyk_jpeg() -> None:
    pixels = decode(encoded(Image.new("RGB", (16, 16), (250, 250, 250)).convert("CMYK"), "JPEG"), LIMITS, 64).pixels
    assert pixels.min() > 230


def test_dark_sixteen_bits_stay_dark() -> None:
    assert decode(encoded(Image.fromarray(np.full((4, 4), 255, np.uint16))), LIMITS, 64).pixels.max() == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_gives_the_picture_as_a_viewer_shows_it(orientation: int, kind: str) -> None:
    upright = np.zeros((20, 40, 3), np.uint8)
    upright[:10, :20] = 255  # white corner, top left
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL transposes that turn the upright picture into the stored one
    image = Image.fromarray(upright)
    if orientation > 1:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(image, kind, exif=exif, quality=95), LIMITS, 640)
    assert picture.pixels.shape == (20, 40, 3)
    assert (picture.width, picture.height) == (40, 20)
    assert picture.pixels[:8, :18].min() > 200
    assert picture.pixels[12:, 22:].max() < 60


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8), st.integers(0, 10**6))
def test_damaged_exif_does_not_cost_the_picture(changes: list[tuple[int, int]], cut: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "Maker", 72.0
    raw = bytearray(exif.tobytes())
    for place, value in changes:
        raw[6 + place % (len(raw) - 6)] = value
    picture = decode(encoded(Image.new("RGB", (40, 20), "navy"), "JPEG", exif=bytes(raw[: 6 + cut % len(raw)])), LIMITS, 64)
    assert sorted((picture.width, picture.height)) == [20, 40]
    assert picture.pixels.shape == (picture.height, picture.width, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "TIFF", "AVIF"])
def test_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    pixels = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), LIMITS, 64).pixels
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("size", [(1, 1), (20000, 10), (10, 20000), (1, 5000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_extreme_shapes(size: tuple[int, int], kind: str) -> None:
    picture = decode(encoded(Image.new("RGB", size, "navy"), kind), LIMITS, 640)
    assert (picture.width, picture.height) == size
    assert min(picture.pixels.shape) >= 1


def test_a_large_jpeg_is_decoded_small_but_not_too_small() -> None:
    picture = decode(encoded(Image.new("RGB", (4000, 3000), "navy"), "JPEG"), Limits(), 640)
    assert (picture.width, picture.height) == (4000, 3000)
    assert 640 <= max(picture.pixels.shape) <= 2000


def test_a_jpeg_for_a_crop_keeps_its_shorter_side() -> None:
    data = encoded(Image.new("RGB", (1000, 563), "navy"), "JPEG")
    assert decode(data, LIMITS, 0, 224).pixels.shape[0] >= 224
    assert decode(data, LIMITS, 224).pixels.shape[0] < 224


def test_threads_that_decode_leave_the_warning_filters_as_they_were() -> None:
    palette = Image.new("P", (4, 4))
    data = encoded(palette, transparency=bytes(range(4)))  # Pillow warns about these
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decode(data, LIMITS, 64), range(200)))
    assert warnings.filters == before


def png_that_claims(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 0) + end


def test_limits_hold_before_decoding() -> None:
    assert reason(png_that_claims(50_000, 50_000)) == ("too_large", "too_many_pixels")
    assert reason(b"\xff" * (2**20 + 1)) == ("too_large", "too_many_bytes")


def test_what_is_no_picture(jpeg: Callable[..., bytes]) -> None:
    assert reason(b"") == ("corrupt", "empty_file")
    assert reason(b"<html>404</html>") == ("corrupt", "html_page")
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == ("corrupt", "not_an_image")
    assert reason(jpeg()[:300])[0] == "corrupt"


def box(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(40)


@pytest.mark.parametrize(
    ("data", "status", "found"),
    [
        (b'\xef\xbb\xbf <?xml version="1.0"?>\n<!-- drawn -->\n<!DOCTYPE svg><svg/>', "unsupported", "svg"),
        (b"<svg xmlns=''></svg>", "unsupported", "svg"),
        (b"8BPS\0\1", "unsupported", "psd"),
        (b"\xff\x0a\0\0", "unsupported", "jpeg_xl"),
        (b"\0\0\0\x0cJXL \r\n", "unsupported", "jpeg_xl"),
        (b"\0\0\0\x0cjP  \r\n", "unsupported", "jpeg_2000"),
        (box(b"crx "), "unsupported", "raw"),
        (b"FUJIFILMCCD-RAW", "unsupported", "raw"),
        (box(b"mp42"), "unsupported", "video"),
        (box(b"qt  "), "unsupported", "video"),
        (b"\x1a\x45\xdf\xa3webm", "unsupported", "video"),
        (b"RIFF\0\0\0\0AVI LIST", "unsupported", "video"),
        (box(b"avif"), "corrupt", "undecodable"),
        (b"  <!DOCTYPE html><p>", "corrupt", "html_page"),
        (b"<!---->" * 5000, "corrupt", "not_an_image"),
        (b"{}", "corrupt", "not_an_image"),
        (b"", "corrupt", "empty_file"),
    ],
)
def test_known_formats_are_unsupported_and_others_corrupt(data: bytes, status: str, found: str) -> None:
    assert reason(data) == (status, found)


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_decoded_where_its_package_is_installed(brand: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_heif")
    data = encoded(Image.new("RGB", (64, 48), "navy"), "HEIF")
    data = data[:8] + brand + data[12:]
    assert decode(data, LIMITS, 64).pixels.shape == (48, 64, 3)
    assert reason(data[: len(data) // 2]) == ("corrupt", "undecodable")
    monkeypatch.setattr("archive.images.decode.FORMATS", [kind for kind in FORMATS if kind != "HEIF"])
    monkeypatch.setattr("archive.images.decode._DECODED", {"avif"})
    assert reason(data) == ("unsupported", "heic")


@pytest.mark.parametrize("tag", [{0xC612: b"\1\4\0\0"}, {0x00FE: 1}])
def test_the_thumbnail_of_a_raw_file_is_not_its_picture(tag: dict[int, object]) -> None:
    assert reason(encoded(Image.new("RGB", (16, 12)), "TIFF", tiffinfo=tag)) == ("unsupported", "raw")


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from(FORMATS))
def test_mutated_pictures_give_pixels_or_a_picture_error(data: st.DataObject, kind: str) -> None:
    raw = bytearray(encoded(Image.radial_gradient("L").resize((40, 30)).convert("RGB"), kind))
    for _ in range(data.draw(st.integers(1, 12))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(bytes(raw[: data.draw(st.integers(0, len(raw)))]), LIMITS, 64)
    except ImageError:
        return
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape[2] == 3
    assert picture.pixels.shape[0] * picture.pixels.shape[1] <= LIMITS.max_image_pixels
