"""JPEGs that lack their end, and those that are too large to decode whole."""

from __future__ import annotations

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from archive.images import jpeg
from archive.images.decode import Limits, Picture, decode
from archive.images.image_error import ImageError

SIZE = (320, 240)


def photo(size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture with detail in all places, none of it grey."""
    pixels = np.random.default_rng(0).integers(140, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
    return Image.fromarray(pixels).resize(size)


def encoded(mode: str = "RGB", **options: Any) -> bytes:
    file = BytesIO()
    photo().convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def outcome(data: bytes, limits: Limits | None = None) -> Picture | ImageError:
    try:
        return decode(data, limits or Limits(), 320)
    except ImageError as error:
        return ImageError(error.status, error.reason)


BASELINE = encoded()
PROGRESSIVE = encoded(progressive=True)


@pytest.mark.parametrize("data", [BASELINE, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("tail", [b"", bytes(5000)], ids=["nothing", "zeros"])
def test_only_the_end_mark_is_missing(data: bytes, lost: int, tail: bytes) -> None:
    whole, cut = decode(data, Limits(), 320), decode(data[:-lost] + tail, Limits(), 320)
    assert (cut.pixels == whole.pixels).all()
    assert (cut.missing_rows, cut.is_partial) == (0.0, False)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"optimize": True}], ids=str)
def test_missing_rows_are_those_that_differ_from_the_whole_picture(mode: str, options: dict[str, Any]) -> None:
    data = encoded(mode, **options)
    whole = decode(data, Limits(), 320).pixels.astype(int)
    for share in (0.97, 0.8, 0.5, 0.2):
        picture = decode(data[: int(len(data) * share)], Limits(), 320)
        differs = (np.abs(picture.pixels - whole) > 8).any(axis=(1, 2))
        first = int(np.flatnonzero(differs)[0]) if differs.any() else len(whole)
        assert abs((1 - picture.missing_rows) * len(whole) - first) <= 16 + 2  # one row of blocks is there in part
        assert picture.is_partial == (picture.missing_rows > 0.05)


def test_a_cut_progressive_jpeg_is_coarse_not_partial() -> None:
    for share in (0.9, 0.6, 0.4):
        assert decode(PROGRESSIVE[: int(len(PROGRESSIVE) * share)], Limits(), 320).missing_rows == 0.0
    first_scan = jpeg.layout(PROGRESSIVE).first_scan
    assert first_scan
    assert decode(PROGRESSIVE[: first_scan + 300], Limits(), 320).is_partial


def test_every_cut_gives_pixels_or_a_reason() -> None:
    for data in (BASELINE, PROGRESSIVE):
        found = [outcome(data[:length]) for length in range(0, len(data), 37)]
        assert all(isinstance(one, Picture) or one.status == "corrupt" for one in found)
        missing = [one.missing_rows for one in found if isinstance(one, Picture)]
        assert len(missing) > len(found) // 2
        assert max(missing) < 1


def test_a_jpeg_of_a_header_alone_is_corrupt() -> None:
    first_scan = jpeg.layout(BASELINE).first_scan
    assert first_scan
    assert outcome(BASELINE[:first_scan]).status == "corrupt"  # type: ignore[union-attr]
    assert outcome(BASELINE[: first_scan + 14]) == ImageError("corrupt", "truncated")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_other_formats_that_are_cut_are_corrupt(kind: str) -> None:
    file = BytesIO()
    photo().save(file, kind)
    assert outcome(file.getvalue()[: file.tell() // 2]) == ImageError("corrupt", "undecodable")


def test_threads_do_not_change_what_is_cut() -> None:
    file = BytesIO()
    photo().save(file, "PNG")
    cut = [BASELINE[: len(BASELINE) // 2], PROGRESSIVE[:-2], file.getvalue()[: file.tell() // 2], BASELINE]
    alone = [outcome(data) for data in cut]
    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(lambda number: outcome(cut[number % 4]), range(200))):
            expected = alone[number % 4]
            if isinstance(expected, Picture):
                assert isinstance(found, Picture)
                assert (found.pixels == expected.pixels).all()
                assert found.missing_rows == expected.missing_rows
            else:
                assert found == expected
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def claiming(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose header claims another size; libjpeg fills what is missing."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def test_the_limit_is_for_decoded_pixels() -> None:
    limits = Limits(max_image_pixels=SIZE[0] * SIZE[1])
    assert isinstance(outcome(BASELINE, limits), Picture)
    file = BytesIO()
    photo((600, 400)).save(file, "JPEG")
    reduced = decode(file.getvalue(), limits, 300)
    assert (reduced.width, reduced.height, reduced.pixels.shape) == (600, 400, (200, 300, 3))
    assert outcome(file.getvalue(), limits) == ImageError("too_large", "too_many_pixels")  # 320 needs it whole
    assert outcome(claiming(BASELINE, 16320, 12240)) != ImageError("too_large", "too_many_pixels")
    assert outcome(claiming(BASELINE, 65000, 65000)) == ImageError("too_large", "too_many_pixels")
    assert outcome(claiming(PROGRESSIVE, 16320, 12240)) == ImageError("too_large", "too_many_pixels")


def test_a_scan_costs_a_pass_so_scans_are_limited() -> None:
    first_scan = jpeg.layout(PROGRESSIVE).first_scan
    assert first_scan
    scans = PROGRESSIVE[first_scan:-2]
    assert outcome(PROGRESSIVE[:first_scan] + scans * 20 + b"\xff\xd9") == ImageError("corrupt", "too_many_scans")


@pytest.mark.parametrize(("data", "size", "most_mb"), [(BASELINE, (16320, 12240), 150), (PROGRESSIVE, (11000, 11000), 500)])
def test_memory_of_the_largest_jpegs(tmp_path: Path, data: bytes, size: tuple[int, int], most_mb: int) -> None:
    (tmp_path / "a.jpg").write_bytes(claiming(data, *size))
    script = (
        "import resource, sys; from archive.images.decode import Limits, decode\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "data = open(sys.argv[1], 'rb').read(); before = peak()\n"
        "picture = decode(data, Limits(), 640)\n"
        "print(picture.width, picture.height, (peak() - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "a.jpg"], capture_output=True, text=True, check=True)
    width, height, mb = map(int, done.stdout.split())
    assert (width, height) == size
    assert mb < most_mb
