"""What was seen in pictures, kept for the next run."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from models.datasets.pictures import picture_features
from models.inference.options import ModelOptions
from models.loading import load_vision_model
from tests.conftest import ROOT

IMAGES = str(ROOT / "demo" / "archive" / "images-*.tar")
NAMES = ["flower", "grace-hopper", "not-a-picture", "nowhere"]


def test_pictures_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vision_model = load_vision_model(ModelOptions(threads=1))
    first = picture_features(NAMES, IMAGES, vision_model, tmp_path / "features.npz")
    assert sorted(first) == ["flower", "grace-hopper"]
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]
    asked: list[int] = []
    extract = vision_model.extract
    monkeypatch.setattr(vision_model, "extract", lambda preprocessed: asked.append(len(preprocessed)) or extract(preprocessed))
    again = picture_features([*NAMES, "rotated"], IMAGES, vision_model, tmp_path / "features.npz")
    assert asked == [1]
    assert sorted(again) == ["flower", "grace-hopper", "rotated"]
    for name, image_features in first.items():
        assert (image_features.width, image_features.height) == (again[name].width, again[name].height)
        for field in ("labels", "scores", "boxes", "grid"):
            np.testing.assert_array_equal(getattr(image_features, field), getattr(again[name], field))


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_damaged_cache_is_told_with_its_cure(tmp_path: Path, kept: int) -> None:
    vision_model = load_vision_model(ModelOptions(threads=1))
    cache = tmp_path / "features.npz"
    picture_features(["flower"], IMAGES, vision_model, cache)
    cache.write_bytes(cache.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"--cache .*features\.npz cannot be read .*: delete it"):
        picture_features(["flower"], IMAGES, vision_model, cache)


def test_another_picture_of_the_same_name_is_looked_at(tmp_path: Path) -> None:
    vision_model = load_vision_model(ModelOptions(threads=1))
    with tarfile.open(ROOT / "demo" / "archive" / "images-00000.tar") as shard:
        shard.extractall(tmp_path, filter="data")
    cache = tmp_path / "features.npz"
    first = picture_features(["flower"], str(tmp_path), vision_model, cache)["flower"]
    shutil.copy(tmp_path / "grace-hopper.jpg", tmp_path / "flower.jpg")
    assert picture_features(["flower"], str(tmp_path), vision_model, cache)["flower"].labels.tolist() != first.labels.tolist()


def test_what_is_lost_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vision_model = load_vision_model(ModelOptions(threads=1))
    picture_features(NAMES, IMAGES, vision_model, None)
    assert "2 of 4 pictures are missing or cannot be read, such as 'not-a-picture'" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"--images .* has none of the 1 pictures that the tweets name, such as 'nowhere'"):
        picture_features(["nowhere"], IMAGES, vision_model, None)
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b no tar")
    with pytest.raises(ValueError, match=r"a\.tar\.gz' is no tar and no zip"):
        picture_features(["flower"], str(tmp_path / "a.tar.gz"), vision_model, None)
    with pytest.raises(ValueError, match="there is no folder"):
        picture_features(["flower"], IMAGES, vision_model, tmp_path / "nowhere" / "features.npz")


def test_a_cache_of_other_networks_is_left_alone(tmp_path: Path) -> None:
    cache = tmp_path / "features.npz"
    picture_features(["flower"], IMAGES, load_vision_model(ModelOptions(threads=1)), cache)
    before = cache.read_bytes()
    with pytest.raises(ValueError, match="has features of other networks"):
        picture_features(["flower"], IMAGES, load_vision_model(ModelOptions(detector=None, threads=1)), cache)
    assert cache.read_bytes() == before


def test_the_first_of_a_key_counts_and_only_its_own_extension(tmp_path: Path) -> None:
    vision_model = load_vision_model(ModelOptions(threads=1))
    with tarfile.open(ROOT / "demo" / "archive" / "images-00000.tar") as shard:
        shard.extractall(tmp_path, filter="data")
    for shard_name, picture in (("a.tar", "grace-hopper.jpg"), ("b.tar", "flower.jpg")):
        with tarfile.open(tmp_path / shard_name, "w") as shard:
            shard.add(tmp_path / picture, "1.jpg")
            shard.add(tmp_path / "rotated.jpg", "sub/1.jpg")
            shard.add(tmp_path / "chart.png", "1.png")
    seen = picture_features(["1"], str(tmp_path / "*.tar"), vision_model, None)["1"]
    hopper = picture_features(["grace-hopper"], IMAGES, vision_model, None)["grace-hopper"]
    np.testing.assert_array_equal(seen.boxes, hopper.boxes)
