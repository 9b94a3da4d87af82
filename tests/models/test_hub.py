"""Bundles by their id on the Hugging Face hub. The hub is replaced by a local folder."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from models import load, loading
from models.loading import text_encoder
from models.pretrained import PRETRAINED
from models.tagging.bundle import BundleError, read_settings

SHIPPED = PRETRAINED / "default"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `org/bundle` on the hub; working directory without any bundle."""
    stored, here = tmp_path / "hub", tmp_path / "here"
    shutil.copytree(SHIPPED, stored)
    (stored / "evil.py").write_text("raise SystemExit")
    here.mkdir()

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        if name != "org/bundle":
            raise ConnectionError("offline mode is enabled")
        target = tmp_path / "cache"
        for path in stored.rglob("*"):
            if path.is_file() and any(fnmatch(str(path.relative_to(stored)), pattern) for pattern in allow_patterns):
                (target / path.relative_to(stored)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path.relative_to(stored))
        return str(target)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.chdir(here)
    loading.local_folder.cache_clear()
    loading.load_annotator.cache_clear()
    loading.load_vision_model.cache_clear()
    return stored


def test_a_bundle_of_the_hub_annotates(hub: Path) -> None:
    postner = load("org/bundle", detector="none", threads=1)
    assert postner.model.startswith("postner-e5-small@")
    assert [entity.type for entity in postner.annotate("Taylor Swift").entities] == ["PER"]
    assert not (loading.local_folder("org/bundle") / "evil.py").exists()


def test_training_goes_on_from_the_text_encoder_of_a_bundle_of_the_hub(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hf_hub_download(name: str, file: str) -> str:
        if name != "org/bundle":
            raise OSError("offline mode is enabled")
        return str(hub / file)

    monkeypatch.setattr(text_encoder, "hf_hub_download", hf_hub_download)
    encoder, tokenizer = text_encoder.load_text_encoder("org/bundle")
    assert encoder.config.model_type == "bert"
    assert callable(tokenizer.save_pretrained)  # models.train stores it in its bundle
    with pytest.raises(ValueError, match=r"--encoder org/other cannot be loaded .*offline.*hf download org/other"):
        text_encoder.load_text_encoder("org/other")


def test_its_files_are_checked(hub: Path) -> None:
    with (hub / "augmentation.txt").open("a") as file:
        file.write("\nword")
    with pytest.raises(BundleError, match=r"augmentation\.txt is not the file that config\.json describes"):
        read_settings(loading.local_folder("org/bundle"))


def test_a_local_folder_of_that_name_comes_first(hub: Path) -> None:
    Path("org/bundle").mkdir(parents=True)
    assert loading.local_folder("org/bundle").samefile("org/bundle")


def test_without_the_hub_it_is_one_sentence(hub: Path) -> None:
    with pytest.raises(BundleError, match=r"org/other is no folder here and cannot be had .*offline.*hf download org/other") as told:
        loading.local_folder("org/other")
    assert "\n" not in str(told.value)


def test_the_card_of_the_shipped_bundle_is_one_of_the_hub() -> None:
    _, front, text = (SHIPPED / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(front)
    assert fields.keys() >= {"language", "license", "library_name", "tags", "datasets", "metrics", "base_model"}
    assert text.startswith("\n# postner-e5-small")
