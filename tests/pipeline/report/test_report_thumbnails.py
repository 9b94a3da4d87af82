"""The pictures of the page: where they come from, and why one is not shown."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.images.decode import Limits
from models.vision.images.preprocess import Preprocess
from pipeline.report.command import main
from pipeline.report.thumbnails import SIDE, thumbnail_of, thumbnails


def test_a_thumbnail_is_small_and_knows_the_original(jpeg: Callable[..., bytes]) -> None:
    made = thumbnail_of(Preprocess(Limits(), SIDE)(jpeg(1, (1200, 900))).canvas)
    assert (made.width, made.height) == (1200, 900)
    assert len(made.jpeg) < 40_000
    assert made.uri.startswith("data:image/jpeg;base64,")
    assert SIDE == 320


def picture(key: str, status: str = "ok", size: tuple[int, int] = (400, 300)) -> dict[str, object]:
    return {"key": key, "status": status, "width": size[0], "height": size[1]}


def test_every_picture_that_is_not_shown_has_its_reason(shard: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar"
    with tarfile.open(broken, "w") as archive:
        info = tarfile.TarInfo("broken.jpg")
        info.size = 9
        archive.addfile(info, io.BytesIO(b"no JPEG !"))
    images = [
        picture("0.jpg"),
        picture("1.jpg", size=(5, 5)),
        picture("broken.jpg"),
        picture("../../etc/passwd"),
        picture("2.jpg", "missing"),
    ]
    made = thumbnails([{"images": images}], [str(shard), str(broken)], 9, 10**6)
    assert list(made.by_key) == ["0.jpg"]
    assert made.reasons == {
        "1.jpg": "the shard holds another picture now",
        "broken.jpg": "corrupt: not_an_image",
        "../../etc/passwd": "not found in the shards",
    }


def test_thumbnails_stay_within_their_bytes(shard: Path) -> None:
    made = thumbnails([{"images": [picture(f"{seed}.jpg") for seed in range(3)]}], [str(shard)], 9, 8_000)
    assert 0 < len(made.by_key) < 3
    assert sum(len(thumbnail.uri) for thumbnail in made.by_key.values()) <= 8_000
    assert set(made.reasons.values()) == {"left out to keep this file small"}


def test_shards_that_are_gone_are_told(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(output, moved)
    summary = json.loads((moved / "run.json").read_text())
    summary["inputs"]["shards"] = {"gone/images.tar": {}}
    (moved / "run.json").write_text(json.dumps(summary))
    assert main([str(moved)]) == 0
    assert "gone/images.tar is not there any more" in capsys.readouterr().err
    assert "no shards to look in" in (moved / "report.html").read_text(encoding="utf-8")


def test_pictures_are_found_where_images_says(output: Path, shard: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    with tarfile.open(shard) as archive:
        archive.extractall(folder, filter="data")
    to = tmp_path / "page.html"
    assert main([str(output), "--images", str(folder), "--to", str(to)]) == 0
    assert "data:image/jpeg;base64," in to.read_text(encoding="utf-8")
