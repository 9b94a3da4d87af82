"""Save and load a trained tagger as a folder, a bundle.

It holds `config.json`, `model.safetensors`, `tokenizer/`, `augmentation.txt` and a model card, `README.md`.

`config.json` holds the SHA-256 of every other file that is loaded, so its own SHA-256 identifies the bundle.
Matrices are stored as int8 with one scale per row, other tensors as float16: a quarter of the size of float32.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from archive.digest import file_sha256
from models.tagging.augmentation import AugmentationTable
from models.tagging.bundle_format_1 import upgrade
from models.tagging.folder_tokenizer import FolderTokenizer
from models.tagging.settings import BundleSettings
from models.tagging.tagger import TEXT_PARTS, Tagger, TaggerConfig

FORMAT = 2
LOADED = ("model.safetensors", "augmentation.txt", "tokenizer/*", "backbone/*")
FILES = ("config.json", *LOADED)
"""Patterns of the files of a bundle that are read."""
QUANTISED_FROM_ELEMENTS = 4096
TABLE = "augmentation.vectors"


class BundleError(ValueError):
    """A folder is not a usable bundle. The message is one sentence that says what to do."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        settings: of `config.json`.
        sha256: of `config.json`; identifies the bundle.
        tagger: in eval mode.
        tokenizer: of its folder.
        table: augmentation vectors, or None.
        folder: where it was loaded from.
    """

    settings: BundleSettings
    sha256: str
    tagger: Tagger
    tokenizer: FolderTokenizer
    table: AugmentationTable | None
    folder: Path

    @property
    def label(self) -> str:
        """Name and shortened hash, the value of the `model` column."""
        return f"{self.settings.name}@{self.sha256[:12]}"


def save_bundle(folder: Path, settings: BundleSettings, tagger: Tagger, tokenizer: Any, table: AugmentationTable | None) -> None:
    """Write a bundle without its model card (README.md)."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = {name: tensor for name, tensor in tagger.state_dict().items() if not name.startswith(("encode_auxiliary", "auxiliary_"))}
    if table is not None:
        trained[TABLE] = table.vectors
        (folder / "augmentation.txt").write_text("\n".join(table.words), encoding="utf-8")
    stored: dict[str, Tensor] = {}
    for name, tensor in trained.items():
        stored |= _quantised(name, tensor)
    save_file(stored, folder / "model.safetensors")
    tokenizer.save_pretrained(folder / "tokenizer")
    config = {
        "format": FORMAT,
        "settings": asdict(settings),
        "tagger": asdict(tagger.config) | {"auxiliary": False},
        "sha256": {str(path.relative_to(folder)): file_sha256(path) for path in _loaded_files(folder)},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    shutil.copymode(folder / "config.json", folder / "model.safetensors")  # safetensors writes for its owner alone


def load_bundle(folder: Path, reads_text: bool = True) -> Bundle:
    """Load a bundle for inference, in float32 on the CPU.

    Args:
        folder: of the bundle.
        reads_text: whether the tagger gets the parts that read text, see `Tagger`.

    Raises:
        BundleError: the folder is not a bundle, its format is not supported, or a file's hash differs from `config.json`.
    """
    try:
        return _load(folder, reads_text)
    except BundleError:
        raise
    except (ArithmeticError, AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise BundleError(f"--model {folder} cannot be read ({type(error).__name__}: {text}): copy it or train it again") from error


def _load(folder: Path, reads_text: bool) -> Bundle:
    config, sha256 = _verified_config(folder)
    settings = BundleSettings(**_tuples(config["settings"]))
    try:
        stored = load_file(folder / "model.safetensors")
    except SafetensorError as error:
        raise BundleError(f"{folder}/model.safetensors cannot be read: {error}") from error
    if not reads_text:
        stored = {name: tensor for name, tensor in stored.items() if not name.startswith(tuple(f"{part}." for part in TEXT_PARTS))}
    tensors = _restored(stored)
    table = None
    if TABLE in tensors:
        words = (folder / "augmentation.txt").read_text(encoding="utf-8").split("\n")
        table = AugmentationTable(words, tensors.pop(TABLE))
    tagger_config, tensors = upgrade(config["tagger"], tensors) if config["format"] == 1 else (config["tagger"], tensors)
    tagger = Tagger(TaggerConfig(**_tuples(tagger_config)), table.vectors if table else None, reads_text)
    missing, unexpected = tagger.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise BundleError(f"{folder} does not fit its own config.json: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return Bundle(settings, sha256, tagger.eval(), FolderTokenizer(folder / "tokenizer"), table, folder)


def read_settings(folder: Path) -> BundleSettings:
    """Return the settings without loading weights. Hashes are checked. Raises BundleError."""
    try:
        return BundleSettings(**_tuples(_verified_config(folder)[0]["settings"]))
    except (AttributeError, KeyError, TypeError) as error:
        raise BundleError(f"--model {folder}: config.json has no readable settings ({error}): copy it or train it again") from error


def _verified_config(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / "config.json"
    try:
        raw = path.read_bytes()
        config = json.loads(raw)
        version, digests = config["format"], dict(config["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"--model {folder} is not a model bundle (no readable config.json): give a folder that models.train wrote"
        ) from error
    if version not in (1, FORMAT):
        raise BundleError(f"--model {folder} has bundle format {version!r}, this version reads {FORMAT}: train or convert it again")
    for name, digest in digests.items():
        if name.startswith("/") or ".." in Path(name).parts or not (folder / name).is_file():
            raise BundleError(f"--model {folder} lacks {name!r}: copy the bundle again")
        if file_sha256(folder / name) != digest:
            raise BundleError(f"--model {folder}: {name} is not the file that config.json describes (SHA-256 differs): copy it again")
    unchecked = [str(path.relative_to(folder)) for path in _loaded_files(folder) if str(path.relative_to(folder)) not in digests]
    if "model.safetensors" not in digests or unchecked:
        raise BundleError(f"--model {folder}: config.json gives no SHA-256 for {', '.join(unchecked) or 'model.safetensors'}")
    return config, hashlib.sha256(raw).hexdigest()


def _loaded_files(folder: Path) -> list[Path]:
    """Return the files of a bundle that are loaded, except `config.json`."""
    return sorted(path for pattern in LOADED for path in folder.glob(pattern))


def _quantised(name: str, tensor: Tensor) -> dict[str, Tensor]:
    tensor = tensor.detach().float()
    if tensor.dim() != 2 or tensor.numel() < QUANTISED_FROM_ELEMENTS:
        return {name: tensor.half().contiguous()}
    scale = (tensor.abs().amax(1, keepdim=True) / 127).clamp(min=1e-8)
    return {name: (tensor / scale).round().to(torch.int8), f"{name}:scale": scale}


def _restored(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.float() * stored[f"{name}:scale"] if f"{name}:scale" in stored else tensor.float()
        for name, tensor in stored.items()
        if not name.endswith(":scale")
    }


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Convert JSON lists to the tuples of the dataclasses."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
