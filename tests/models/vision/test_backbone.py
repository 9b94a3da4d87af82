"""Backbones of Hugging Face: the shapes of their grids, and their last feature map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from archive.images.decode import Limits
from models.vision.backbone import Backbone
from models.vision.vision_model import VisionModel


def test_hugging_face_backbones_give_grids(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1], layer_type="basic")
    vit = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=224, patch_size=32)
    for name, network, width in (("resnet", ResNetModel(resnet), 24), ("vit", ViTModel(vit), 32)):
        network.save_pretrained(tmp_path / name)
        vision_model = VisionModel.load(None, str(tmp_path / name))
        preprocessed = [vision_model.preprocess(jpeg(i, (300, 200)), Limits()) for i in range(3)]
        features = vision_model.extract(preprocessed)
        assert [image_features.grid.shape for image_features in features if image_features.grid is not None] == [(49, width)] * 3
        assert not np.array_equal(features[0].grid, features[1].grid)
        assert np.array_equal(vision_model.extract(preprocessed[:1])[0].grid, features[0].grid)


def test_resnet_grid_is_its_last_feature_map(tmp_path: Path) -> None:
    network = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1], layer_type="basic")).eval()
    network.save_pretrained(tmp_path / "resnet")
    crop = np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)
    (grid,) = Backbone(str(tmp_path / "resnet"), "cpu", 1).grids([crop])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = ((torch.from_numpy(crop) / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = network(pixels).last_hidden_state[0]  # shape: (24, 7, 7)
    np.testing.assert_allclose(grid.reshape(7, 7, 24), expected.permute(1, 2, 0).numpy(), atol=2e-2, rtol=1e-2)
