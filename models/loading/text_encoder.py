"""Load the pretrained text encoder that `--encoder` names: a folder, a Hugging Face hub id, or a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from models.loading import HUB_ID, local_folder
from models.tagging.bundle import load_bundle


def be_quiet() -> None:
    """Let both libraries tell errors alone: a hub that does not answer is told once, by the exception."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub_logging.set_verbosity_error()


def load_text_encoder(name: str) -> tuple[PreTrainedModel, Any]:
    """Return a text encoder in float32 and its tokenizer; of a bundle, those that it was trained to.

    Raises:
        ValueError: it cannot be had. The message is one sentence with the cure.
    """
    try:
        if folder := _bundle_folder(name):
            bundle = load_bundle(folder)
            return bundle.tagger.encoder, bundle.tokenizer
        return AutoModel.from_pretrained(name, dtype=torch.float32), AutoTokenizer.from_pretrained(name, add_prefix_space=True)
    except (OSError, ValueError) as error:
        raise ValueError(not_loaded(name, error)) from error


def not_loaded(name: str, error: Exception) -> str:
    """Return the sentence that an encoder cannot be loaded, and the cure."""
    if not Path(name).exists() and name.count("/") > 1:
        return f"--encoder {name}: there is no such folder; give one, or a Hugging Face hub id such as intfloat/e5-small-v2"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".:")
    cure = "give the folder of a Hugging Face text encoder or of a bundle"
    cure += "" if Path(name).exists() else f", or where there is a network run 'hf download {name}'"
    return f"--encoder {name} cannot be loaded ({reason}): {cure}"


def _bundle_folder(name: str) -> Path | None:
    """Return the folder of a bundle on this machine, None if the name is no bundle's."""
    if (Path(name) / "tokenizer").is_dir():
        return Path(name)
    if not HUB_ID.fullmatch(name) or Path(name).exists():
        return None
    config = json.loads(Path(hf_hub_download(name, "config.json")).read_bytes())
    return local_folder(name) if "sha256" in config else None
