"""The tokenizer of a bundle, without importing transformers, which takes a second."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

SPECIAL_TOKENS = ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token")


class FolderTokenizer:
    """Does what the tagger needs of a fast Hugging Face tokenizer, under the same names.

    Args:
        folder: as `save_pretrained` writes it, with `tokenizer.json` and `tokenizer_config.json`.

    Raises:
        ValueError: it lacks a special token.
        OSError: a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tokenizer = Tokenizer.from_buffer((folder / "tokenizer.json").read_bytes())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        ids = {name: self._id(config.get(name)) for name in SPECIAL_TOKENS}
        if lacking := [name for name, number in ids.items() if number is None and name != "mask_token"]:
            raise ValueError(f"{folder} has no {lacking[0]}")
        self.cls_token_id, self.sep_token_id, self.pad_token_id, self.unk_token_id, self.mask_token_id = ids.values()

    def __call__(self, texts: Sequence[Sequence[str]], is_split_into_words: bool = True, add_special_tokens: bool = False) -> Encodings:
        """Return the subwords of texts that are split into words."""
        return Encodings(self._tokenizer.encode_batch([*texts], is_pretokenized=is_split_into_words, add_special_tokens=add_special_tokens))

    def save_pretrained(self, folder: Path) -> None:
        """Copy the files of this tokenizer."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)

    def _id(self, token: Any) -> int | None:
        name = token.get("content") if isinstance(token, dict) else token
        return None if name is None else self._tokenizer.token_to_id(name)


class Encodings:
    """The subwords of several texts."""

    def __init__(self, encodings: Sequence[Encoding]) -> None:
        self._encodings = encodings

    def __getitem__(self, name: str) -> list[list[int]]:
        """Return the `input_ids` of each text."""
        return [getattr(encoding, {"input_ids": "ids"}[name]) for encoding in self._encodings]

    def word_ids(self, text: int) -> list[int | None]:
        """Return for each subword of a text the index of its word."""
        return self._encodings[text].word_ids
