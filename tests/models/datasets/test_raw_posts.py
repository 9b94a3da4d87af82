"""Texts of unlabelled posts."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pytest
import zstandard

from models.datasets.raw_posts import read_texts, sample_texts

TEXTS = ["first \U0001f600 post", "second\u2028post", "the third"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst"])
def test_every_form_gives_the_same_texts(tmp_path: Path, suffix: str) -> None:
    press = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}[suffix]
    forms = {
        "a.jsonl": "".join(json.dumps({"id": 1, "text": text}) + "\n" for text in TEXTS),
        "a.tsv": "".join(f"corpus\t{text}\n" for text in TEXTS),
        "a.txt": "\r\n".join([*TEXTS, "", " "]),
    }
    for name, content in forms.items():
        path = tmp_path / (name + suffix)
        path.write_bytes(press(content.encode()))
        assert list(read_texts(path)) == TEXTS


def test_a_line_without_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"txt": "b"}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:2: .*text"):
        list(read_texts(tmp_path / "a.jsonl"))


def test_samples_are_different_texts_and_the_same_ones_for_a_seed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(str(i % 50) for i in range(500)))
    first = sample_texts([tmp_path / "a.txt"], 30, seed=1)
    assert len(set(first)) == 30
    assert sample_texts([tmp_path / "a.txt"], 30, seed=1) == first
    assert sample_texts([tmp_path / "a.txt"], 30, seed=2) != first
    with pytest.raises(ValueError, match="51 unlabelled posts"):
        sample_texts([tmp_path / "a.txt"], 51, seed=1)
