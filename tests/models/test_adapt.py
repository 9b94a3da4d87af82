"""Masked-language training of a tiny encoder."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel, BertTokenizer

from models.adapt import NOT_JUDGED, main, mask_pieces

ROOT = Path(__file__).parent.parent.parent
WORDS = ["anna", "bob", "loves", "sees", "paris", "rome", "in", "the", "rain", "sun"]


@pytest.fixture
def material(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    BertTokenizer(vocab={word: i for i, word in enumerate(vocabulary)}).save_pretrained(tmp_path / "encoder")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(tmp_path / "encoder")
    chance = random.Random(0)
    texts = {f"{a} {b} {c} in the {d}" for a in WORDS[:2] for b in WORDS[2:4] for c in WORDS[4:6] for d in WORDS[8:]}
    lines = [f"{text} {' '.join(chance.choices(WORDS, k=3))}" for text in sorted(texts) for _ in range(30)]
    (tmp_path / "raw.txt").write_text("\n".join(lines))
    return tmp_path


def command(material: Path, output: str, *more: str) -> list[str]:
    fixed = ["--texts=300", "--held_out=60", "--batch_size=8", "--lr=3e-3", "--threads=1"]
    return [f"--encoder={material}/encoder", f"--posts={material}/raw.txt", f"--output={material}/{output}", *fixed, *more]


def test_the_loss_on_other_posts_falls(material: Path) -> None:
    assert main(command(material, "out")) == 0
    loss = json.loads((material / "out" / "adapt.json").read_text())["held_out_loss"]
    assert loss["after"] < 0.9 * loss["before"]
    adapted, before = (AutoModel.from_pretrained(material / name).state_dict() for name in ("out", "encoder"))
    assert not torch.equal(adapted["embeddings.word_embeddings.weight"], before["embeddings.word_embeddings.weight"])
    assert not (material / "out" / "checkpoint").exists()


def test_killed_it_goes_on_to_the_same_weights(material: Path) -> None:
    assert main(command(material, "whole")) == 0
    arguments = command(material, "out", "--save_every_s=0")
    process = subprocess.Popen([sys.executable, "-m", "models.adapt", *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (material / "out" / "checkpoint" / "state.pt").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (material / "out" / "model.safetensors").exists()
    assert main(arguments) == 0
    assert (material / "out" / "model.safetensors").read_bytes() == (material / "whole" / "model.safetensors").read_bytes()


def test_shares_of_masking() -> None:
    torch.manual_seed(0)
    pieces = torch.randint(5, 1000, (200, 500))
    special = torch.zeros_like(pieces, dtype=torch.bool)
    special[:, 0] = True
    inputs, labels = mask_pieces(pieces, special, 4, 1000)
    judged = labels != NOT_JUDGED
    assert not judged[:, 0].any()
    assert torch.equal(labels[judged], pieces[judged])
    assert torch.equal(inputs[~judged], pieces[~judged])
    assert judged[:, 1:].float().mean() == pytest.approx(0.15, abs=0.003)
    assert (inputs[judged] == 4).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (inputs[judged] == pieces[judged]).float().mean() == pytest.approx(0.1, abs=0.01)


def test_too_few_posts_are_told(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(material, "out", "--texts=99999")) == 2
    assert "100059 unlabelled posts are asked for" in capsys.readouterr().err
