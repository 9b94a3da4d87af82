"""Names that are written in pictures, and names in alternative texts, through the whole command."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.command import main
from pipeline.process import EXIT_DONE
from pipeline.verify import main as verify


def poster(*lines: str) -> bytes:
    image = Image.new("RGB", (900, 120 * len(lines) + 80), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((50, 50 + 110 * number), line, "black", ImageFont.load_default(90))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "poster.png").write_bytes(poster("ANGELA", "MERKEL", "IN BERLIN"))
    attachments = [
        {"url": "https://files.example/poster.png", "description": None},
        {"url": "https://files.example/gone.png", "description": "Taylor Swift in London"},
    ]
    status = {"id": "1", "content": "<p>Look!</p>", "created_at": "2026-01-01T00:00:00Z", "media_attachments": attachments}
    (folder / "posts.jsonl").write_text(json.dumps(status))
    options = [f"--posts={folder}/posts.jsonl", f"--images={folder}/pictures", f"--output={folder}/out", "--detector=none", "--threads=1"]
    assert main([*options, "--ocr=rapidocr"]) == EXIT_DONE
    assert verify([f"{folder}/out"]) == EXIT_DONE
    (row,) = pq.read_table(Path(folder) / "out" / "annotations").to_pylist()
    return row["images"]


def test_a_name_that_is_broken_over_lines_of_a_poster_is_one_entity(images: list[dict[str, Any]]) -> None:
    (text,) = images[0]["texts"]
    assert (images[0]["status"], text["kind"], text["text"]) == ("ok", "ocr", "ANGELA MERKEL IN BERLIN")
    found = {name["text"]: name["type"] for name in text["entities"]}
    assert found == {"ANGELA MERKEL": "PER", "BERLIN": "LOC"}
    x1, y1, x2, y2 = text["box"]
    assert 20 < x1 < 80 < x2 < 700
    assert 30 < y1 < 90 < 250 < y2 < 420


def test_an_alternative_text_is_tagged_also_where_the_picture_is_missing(images: list[dict[str, Any]]) -> None:
    (text,) = images[1]["texts"]
    assert (images[1]["status"], text["kind"], text["box"], text["score"]) == ("missing", "alt", None, None)
    assert {name["text"] for name in text["entities"]} == {"Taylor Swift", "London"}
