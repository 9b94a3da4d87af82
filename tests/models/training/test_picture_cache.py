"""What was seen in pictures, kept for the next run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.loading import ModelOptions, load_looker
from models.training.pictures import look_at_pictures
from tests.conftest import ROOT

IMAGES = str(ROOT / "demo" / "archive" / "images-*.tar")
NAMES = ["flower", "grace-hopper", "not-a-picture", "nowhere"]


def test_pictures_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looker = load_looker(ModelOptions(threads=1))
    first = look_at_pictures(NAMES, IMAGES, looker, tmp_path / "sights.npz")
    assert sorted(first) == ["flower", "grace-hopper"]
    assert [path.name for path in tmp_path.iterdir()] == ["sights.npz"]
    asked: list[int] = []
    look = looker.look
    monkeypatch.setattr(looker, "look", lambda prepared: asked.append(len(prepared)) or look(prepared))
    again = look_at_pictures([*NAMES, "chart"], IMAGES, looker, tmp_path / "sights.npz")
    assert asked == [1]
    assert sorted(again) == ["chart", "flower", "grace-hopper"]
    for name, sight in first.items():
        assert (sight.width, sight.height) == (again[name].width, again[name].height)
        for field in ("labels", "scores", "boxes", "grid"):
            np.testing.assert_array_equal(getattr(sight, field), getattr(again[name], field))


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_damaged_cache_is_told_with_its_cure(tmp_path: Path, kept: int) -> None:
    looker = load_looker(ModelOptions(threads=1))
    cache = tmp_path / "sights.npz"
    look_at_pictures(["flower"], IMAGES, looker, cache)
    cache.write_bytes(cache.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"--cache .*sights\.npz cannot be read .*: delete it"):
        look_at_pictures(["flower"], IMAGES, looker, cache)
