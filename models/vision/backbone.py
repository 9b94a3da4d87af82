"""Extract grids of features by a Hugging Face vision backbone. The paper uses ResNet-152."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from archive.digest import file_sha256
from models.inference.pool import InferencePool
from models.vision.images.features import GRID_SIDE

SIDE = 224
WEIGHTS, PREPROCESSOR = "model.safetensors", "preprocessor_config.json"
FILES = ("config.json", WEIGHTS, PREPROCESSOR)
"""Files of a backbone that a bundle contains."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone:
    """A frozen vision network: eval mode, no gradient.

    Args:
        name: folder or hub id of a network that outputs feature maps (ResNet) or patches (ViT), with safetensors weights.
        device: of the network.
        threads: pictures that run in parallel on a CPU.

    Attributes:
        name: `backbone` and hash, or the hub id.
        grid_width: C, channels of the grids.
    """

    def __init__(self, name: str, device: str, threads: int) -> None:
        from transformers import AutoConfig, AutoModel  # takes a second, and most bundles have no backbone

        self._device = torch.device(device)
        self._network = AutoModel.from_pretrained(name, use_safetensors=True).to(self._device).eval().requires_grad_(False)
        config = AutoConfig.from_pretrained(name)
        weights = Path(name) / WEIGHTS
        self.name = f"backbone@{file_sha256(weights)[:12]}" if weights.is_file() else name
        self.grid_width = int(config.hidden_sizes[-1] if hasattr(config, "hidden_sizes") else config.hidden_size)
        mean, std = _normalisation(Path(name))
        self._pool = InferencePool(self._device, threads)
        self._mean = torch.tensor(mean, device=self._device).view(3, 1, 1)
        self._std = torch.tensor(std, device=self._device).view(3, 1, 1)

    def grids(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the grid, (49, C) float16, of each (224, 224, 3) uint8 RGB crop."""
        return self._pool.run(self._grids, crops)

    def _grids(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        pixels = torch.from_numpy(np.stack(crops)).to(self._device).permute(0, 3, 1, 2).float() / 255
        features = self._network(pixel_values=(pixels - self._mean) / self._std).last_hidden_state
        if features.dim() == 3:  # patches, after the special tokens of the network
            side = int(features.shape[1] ** 0.5)
            features = features[:, features.shape[1] - side * side :].transpose(1, 2).unflatten(2, (side, side))
        grids = functional.adaptive_avg_pool2d(features, GRID_SIDE).flatten(2).transpose(1, 2)
        return list(grids.half().cpu().numpy())


def _normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = folder / PREPROCESSOR
    if not path.is_file():
        return IMAGENET_MEAN, IMAGENET_STD
    config = json.loads(path.read_text(encoding="utf-8"))
    return tuple(config.get("image_mean", IMAGENET_MEAN)), tuple(config.get("image_std", IMAGENET_STD))
