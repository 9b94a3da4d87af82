"""Bundles: what is saved is what is loaded, and anything else is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from models.loading import local_folder
from models.pretrained import PRETRAINED
from models.tagging.bundle import BundleError, load_bundle, save_bundle


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PRETRAINED / "default", tmp_path / "bundle")
    return tmp_path / "bundle"


def test_saved_again_it_is_the_same_model(tmp_path: Path) -> None:
    first = load_bundle(PRETRAINED / "default")
    save_bundle(tmp_path / "again", first.settings, first.tagger, first.tokenizer, first.table)
    second = load_bundle(tmp_path / "again")
    assert second.settings == first.settings
    for (name, one), two in zip(first.tagger.state_dict().items(), second.tagger.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert first.table is not None
    assert second.table is not None
    assert first.table.words == second.table.words
    modes = {path.stat().st_mode for path in (tmp_path / "again").glob("*.*")}
    assert len(modes) == 1, "other users may read all files of a bundle, or none"


def test_quantisation_is_within_half_a_step_of_each_row(tmp_path: Path) -> None:
    bundle = load_bundle(PRETRAINED / "default")
    torch.manual_seed(0)
    with torch.no_grad():
        bundle.tagger.combine.weight.normal_()
    save_bundle(tmp_path / "b", bundle.settings, bundle.tagger, bundle.tokenizer, bundle.table)
    weight, stored = bundle.tagger.combine.weight, load_bundle(tmp_path / "b").tagger.combine.weight
    step = weight.abs().amax(1, keepdim=True) / 127
    assert ((weight - stored).abs() <= 0.5001 * step).all()


@pytest.mark.parametrize("name", ["model.safetensors", "augmentation.txt", "tokenizer/tokenizer.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer/tokenizer.json"])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match="lacks"):
        load_bundle(copy)


def test_a_file_that_the_hashes_do_not_cover_is_refused(copy: Path) -> None:
    (copy / "tokenizer" / "extra.json").write_text("{}")
    with pytest.raises(BundleError, match=r"no SHA-256 for tokenizer/extra\.json"):
        load_bundle(copy)


@pytest.mark.parametrize("config", ["", "[]", "{}", '{"format": 1}', "not json"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(BundleError, match="is not a model bundle"):
        load_bundle(tmp_path)


def test_another_format_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"format": 99}))
    with pytest.raises(BundleError, match="format 99"):
        load_bundle(copy)


def test_a_bundle_in_a_store_is_copied_here(copy: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(copy), "/models/default", recursive=True)
    assert load_bundle(local_folder("memory://models/default")).sha256 == load_bundle(copy).sha256
