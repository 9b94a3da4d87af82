"""Granularities are a list: a third is one file and one entry, and bundles of format 1 mean what they meant."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

import tests.models.tagging.toy_granularity  # noqa: F401  registers `shape`
from archive.digest import file_sha256
from models.pretrained import PRETRAINED
from models.tagging.annotate import Annotator
from models.tagging.bundle import Bundle, _restored, load_bundle, save_bundle
from models.tagging.bundle_format_1 import upgrade
from models.tagging.granularities import granularities_of, granularity_class
from models.tagging.granularities.fusion import TextGuidedAttention
from models.tagging.tagger import Tagger, TaggerConfig
from models.vision.images.features import ImageFeatures

TOY = {"kind": "shape", "unit": 100}
POST = "Taylor Swift sings in London"


@cache
def shipped() -> Bundle:
    return load_bundle(PRETRAINED / "default")


def image_features(seed: int) -> ImageFeatures:
    chance = np.random.default_rng(seed)
    width = shipped().tagger.config.granularities[0]["width"]
    boxes, scores = chance.random((3, 4)).astype(np.float32), np.ones(3, np.float32)
    return ImageFeatures(640, 100 * (seed + 1), chance.integers(0, 80, 3), scores, boxes, chance.random((49, width)).astype(np.float16))


def with_toy() -> Bundle:
    """The shipped bundle with a third granularity, that the fusion reads as far as it reads the grid."""
    config = shipped().tagger.config
    torch.manual_seed(0)
    tagger = Tagger(replace(config, granularities=(*config.granularities, TOY)), shipped().table.vectors)
    weights = shipped().tagger.state_dict()
    grid = weights["fuse.weight"][:, : config.fusion_width]
    tagger.load_state_dict(weights | {"fuse.weight": torch.cat([weights["fuse.weight"], grid], 1)}, strict=False)
    return replace(shipped(), tagger=tagger.eval())


def annotator(bundle: Bundle) -> Annotator:
    return Annotator(bundle, bundle.settings.object_names, bundle.settings.grid)


def test_a_granularity_from_outside_is_read_and_is_evidence(tmp_path: Path) -> None:
    bundle = with_toy()
    save_bundle(tmp_path / "bundle", bundle.settings, bundle.tagger, bundle.tokenizer, bundle.table)
    loaded = load_bundle(tmp_path / "bundle")
    assert loaded.tagger.config.granularities[-1] == TOY
    seen = {"a.jpg": image_features(1), "b.jpg": image_features(2)}
    (entities,) = annotator(loaded).annotate([(POST, seen)])
    assert entities
    for entity in entities:
        of_toy = [one for one in entity.evidence if one.object == "shape"]
        assert {(one.image, one.box) for one in of_toy} == {("a.jpg", (0, 0, 640, 200)), ("b.jpg", (0, 0, 640, 300))}
        assert 0 < sum(one.weight for one in of_toy) < 1
        assert 0 < sum(one.weight for one in entity.evidence) < 1


def test_a_granularity_from_outside_changes_the_answer_only_where_there_are_pictures() -> None:
    shapes = [{"a.jpg": replace(image_features(1), width=width)} for width in (64, 6400)]
    narrow, wide = annotator(with_toy()).marginals([(POST, seen) for seen in shapes])
    assert not np.array_equal(narrow, wide)
    narrow, wide = annotator(shipped()).marginals([(POST, seen) for seen in shapes])
    assert np.array_equal(narrow, wide)
    np.testing.assert_array_equal(annotator(with_toy()).marginals([(POST, {})])[0], annotator(shipped()).marginals([(POST, {})])[0])


def test_a_kind_is_found_by_the_name_of_its_file_and_no_other_way() -> None:
    assert granularity_class("grid").__module__ == "models.tagging.granularities.grid"
    for name in ("sounds", "os.path", "../grid"):
        with pytest.raises(ValueError, match=f"granularity '{name}' is not known"):
            granularity_class(name)
    with pytest.raises(ValueError, match="give each once"):
        granularities_of([TOY, TOY])


@torch.no_grad()
@pytest.mark.parametrize(("grid_width", "objects"), [(0, True), (6, False)])
def test_a_bundle_of_one_granularity_and_format_1_fused_zeros_for_the_other(grid_width: int, objects: bool) -> None:
    fuse, read = nn.Linear(8, 4), torch.randn(1, 3, 4)
    before = fuse(torch.cat([torch.zeros_like(read), read] if objects else [read, torch.zeros_like(read)], 2))
    old = {"encoder": {}, "grid_width": grid_width, "objects": objects}
    config, tensors = upgrade(old, {"fuse.weight": fuse.weight, "fuse.bias": fuse.bias})
    assert [entry["kind"] for entry in TaggerConfig(**config).granularities] == (["objects"] if objects else ["grid"])
    torch.testing.assert_close(read @ tensors["fuse.weight"].T + tensors["fuse.bias"], before, atol=1e-6, rtol=0)


OLD_NAMES = {
    "granularities.grid.project_direct.": "project_direct.",
    "granularities.grid.project_guided.": "project_talked.",
    "granularities.grid.attention.": "grid.",
    "granularities.objects.embedding.": "object_embedding.",
    "granularities.objects.attention.": "objects.",
    ".encode_guided.": ".encode_talked.",
    ".attend_text.": ".ask_text.",
    ".read_guided.": ".read_talked.",
}


def in_format_1(folder: Path) -> Path:
    """Write the shipped bundle as format 1 had it."""
    shutil.copytree(PRETRAINED / "default", folder)
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        for new, old in OLD_NAMES.items():
            name = name.replace(new, old)
        tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    for name in ("granularities", "texts_width"):
        del config["tagger"][name]
    config["tagger"] |= {"grid_width": 256, "objects": True}
    config["sha256"]["model.safetensors"] = file_sha256(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config | {"format": 1}))
    return folder


@torch.no_grad()
def test_a_bundle_of_format_1_gives_the_emissions_of_its_own_names(tmp_path: Path) -> None:
    """The fusion of format 1, written out with the tensors as the file names them."""
    folder = in_format_1(tmp_path / "old")
    tagger = load_bundle(folder).tagger
    stored = _restored(load_file(folder / "model.safetensors"))
    assert not any("granularities" in name for name in stored)
    seen = {"a.jpg": image_features(1), "b.jpg": image_features(2)}
    (batch,) = annotator(shipped()).batches([(POST, seen)])
    (cells, grid_mask), (ids, object_mask) = batch.views
    M = tagger.read_text(*batch[:4])
    text = tagger.narrow(M)
    V1, V2 = (functional.linear(cells, stored[f"{name}.weight"], stored[f"{name}.bias"]) for name in ("project_direct", "project_talked"))
    slots = stored["object_embedding.weight"][ids]
    parts = []
    for name, one, two, mask in (("grid", V1, V2, grid_mask), ("objects", slots, slots, object_mask)):
        attention = TextGuidedAttention(text.shape[2], 0.0).eval()
        of_part = {key.removeprefix(f"{name}."): x for key, x in stored.items() if key.startswith(f"{name}.")}
        attention.load_state_dict({key.replace("talked", "guided").replace("ask_text", "attend_text"): x for key, x in of_part.items()})
        parts.append(attention(text, batch.mask, one, two, mask)[0])
    F = torch.relu(functional.linear(torch.cat(parts, 2), stored["fuse.weight"], stored["fuse.bias"]))
    theirs = tagger.emissions(tagger.combine(torch.cat([M, F], 2)))
    torch.testing.assert_close(tagger(batch).emissions, theirs, atol=1e-6, rtol=0)
    assert torch.equal(tagger(batch).emissions, shipped().tagger(batch).emissions)
