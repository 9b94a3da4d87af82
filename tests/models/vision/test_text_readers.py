"""Text readers on rendered text."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from archive.images.decode import Picture
from models.vision.images.canvas import fit_area
from models.vision.images.features import TextLine
from models.vision.images.preprocess import PAGE_PIXELS, PAGE_SIDE
from models.vision.text_readers import TEXT_READERS, TextReader, TextReaderError, load_text_reader
from models.vision.text_readers.rapid import RapidReader

FONT = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return load_text_reader("rapidocr", "cpu", 1)


def drawn(*words: tuple[str, int, int, int], size: tuple[int, int] = (480, 320), turn: float = 0) -> Picture:
    """A picture of words, each (text, left, top, size of the font)."""
    image = Image.new("RGB", size, "white")
    for text, left, top, height in words:
        ImageDraw.Draw(image).text((left, top), text, "black", ImageFont.truetype(FONT, height))
    return Picture(np.asarray(image.rotate(turn, fillcolor="white", resample=Image.Resampling.BICUBIC)), *size)


def bare(lines: list[TextLine]) -> list[str]:
    return ["".join(line.text.split()) for line in lines]


def same(a: list[TextLine], b: list[TextLine]) -> bool:
    return [(x.text, x.score, x.box.tolist()) for x in a] == [(x.text, x.score, x.box.tolist()) for x in b]


def test_a_poster_is_read_from_the_top(reader: TextReader) -> None:
    (lines,) = reader.read([drawn(("THE NIGHT TRAIN", 30, 30, 40), ("by Anna Karlsson", 40, 120, 28), ("Lisbon 2024", 60, 220, 24))])
    assert bare(lines) == ["THENIGHTTRAIN", "byAnnaKarlsson", "Lisbon2024"]
    for line, (left, top, height) in zip(lines, [(30, 30, 40), (40, 120, 28), (60, 220, 24)], strict=True):
        assert line.score > 0.7
        assert line.box.dtype == np.float32
        np.testing.assert_allclose(line.box[:2], [left, top], atol=height)
        assert height * 0.5 <= line.box[3] - line.box[1] <= height * 2


def test_columns_are_read_apart(reader: TextReader) -> None:
    (lines,) = reader.read([drawn(("Porto", 20, 100, 36), ("Berlin", 320, 100, 36))])
    assert bare(lines) == ["Porto", "Berlin"]
    assert lines[0].box[2] < 200 < 300 < lines[1].box[0]


def test_rotated_text_is_read_and_its_box_is_the_hull(reader: TextReader) -> None:
    (lines,) = reader.read([drawn(("Charles Mason", 100, 140, 36), turn=20)])
    assert bare(lines) == ["CharlesMason"]
    assert lines[0].box[3] - lines[0].box[1] > 80


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_text_that_runs_upwards_downwards_or_backwards_is_read(reader: TextReader, turn: int) -> None:
    (lines,) = reader.read([drawn(("Charles Mason", 50, 200, 40), size=(440, 440), turn=turn)])
    assert bare(lines) == ["CharlesMason"]


def test_boxes_are_in_pixels_of_the_original(reader: TextReader) -> None:
    small = drawn(("Anna Karlsson", 30, 100, 40))
    (whole,), (reduced,) = reader.read([small, Picture(small.pixels, 4 * small.width, 4 * small.height)])
    np.testing.assert_allclose(reduced.box, 4 * whole.box)


def test_large_pictures_are_reduced_and_boxes_are_not(reader: TextReader) -> None:
    (lines,) = reader.read([drawn(("Anna Karlsson", 300, 1000, 200), size=(2400, 2000))])
    assert bare(lines) == ["AnnaKarlsson"]
    np.testing.assert_allclose(lines[0].box[:2], [300, 1000], atol=100)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (20_000, 3), (3, 20_000), (700, 31), (33, 1)])
@pytest.mark.parametrize("make", [lambda h, w: np.full((h, w, 3), 255, np.uint8), lambda h, w: RNG.integers(0, 255, (h, w, 3), np.uint8)])
def test_odd_pictures_have_no_text(reader: TextReader, size: tuple[int, int], make: Callable[[int, int], np.ndarray]) -> None:
    assert reader.read([Picture(make(size[1], size[0]), *size)]) == [[]]


def test_a_banner_is_read_at_the_height_that_it_has(reader: TextReader) -> None:
    (lines,) = reader.read([drawn(("Anna Karlsson in Lisbon", 4000, 50, 90), size=(9000, 200))])
    assert "".join(bare(lines)) == "AnnaKarlssoninLisbon"


def test_small_print_is_read_enlarged(reader: TextReader, monkeypatch: pytest.MonkeyPatch) -> None:
    large = drawn(("Lisbon", 40, 40, 40))
    small = drawn(("Anna Karlsson", 30, 30, 7), ("Lisbon 2024", 200, 200, 7))
    seen: list[tuple[int, ...]] = []
    read = RapidReader._lines_of
    monkeypatch.setattr(RapidReader, "_lines_of", lambda self, pixels, *size: (seen.append(pixels.shape[:2]), read(self, pixels, *size))[1])
    of_large, of_small = reader.read([large, small])
    assert sorted(seen) == [(320, 480), (320, 480), (480, 720)]
    assert bare(of_small) == ["AnnaKarlsson", "Lisbon2024"]
    assert bare(of_large) == ["Lisbon"]
    np.testing.assert_allclose([line.box[:2] for line in of_small], [(30, 30), (200, 200)], atol=7)


def test_lines_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.vision.text_readers.rapid.MAX_LINES", 5)
    words = [(f"Lisbon {y}", x, y, 20) for y in range(10, 300, 50) for x in (10, 200, 350)]
    (lines,) = load_text_reader("rapidocr", "cpu", 1).read([drawn(*words)])
    assert 3 <= len(lines) <= 5


def test_area_and_side_are_limited() -> None:
    for size in [(20_000, 200), (200, 20_000), (5000, 4000), (960, 960), (4, 20_000), (1, 1)]:
        pixels = fit_area(Picture(np.zeros((size[1], size[0], 3), np.uint8), *size), PAGE_PIXELS, PAGE_SIDE).pixels
        assert pixels.shape[0] * pixels.shape[1] <= PAGE_PIXELS * 1.01
        assert max(pixels.shape) <= PAGE_SIDE
        if max(size) <= 960:
            assert pixels.shape[:2] == size[::-1]


def test_texts_do_not_depend_on_neighbours_or_threads(reader: TextReader) -> None:
    pictures = [drawn((f"Name {i} Lisbon", 20, 40 + 10 * i, 20 + 4 * i), size=(300 + 30 * i, 200)) for i in range(4)]
    alone = [reader.read([picture])[0] for picture in pictures]
    two_threads = load_text_reader("rapidocr", "cpu", 2)
    for lines, other, threaded in zip(alone, reader.read(pictures[::-1])[::-1], two_threads.read(pictures), strict=True):
        assert lines
        assert same(lines, other)
        assert same(lines, threaded)


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (lines,) = load_text_reader("rapidocr", "cpu", 1).read([drawn(("Lisbon", 40, 40, 40))])
    assert bare(lines) == ["Lisbon"]


def test_no_pictures(reader: TextReader) -> None:
    assert reader.read([]) == []


def test_a_reader_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(TextReaderError, match="--ocr 'tesseract' is none of " + ", ".join(TEXT_READERS)):
        load_text_reader("tesseract", "cpu", 1)


def test_a_name_tells_the_version_and_the_models(reader: TextReader) -> None:
    assert reader.name.startswith("rapidocr-3.10.0@")
