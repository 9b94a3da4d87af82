"""Masked-language training of a tiny encoder."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, BertConfig, BertModel, BertTokenizer, RobertaConfig, RobertaModel, RobertaTokenizer

from models.adapt import main
from models.training.adapt_encoder import load_encoder, tokenise
from tests.conftest import ROOT

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


def test_posts_that_changed_since_the_kill_are_refused(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = command(material, "out", "--lr=1e30", "--save_every_s=0")
    assert main(arguments) == 2
    assert "the loss became nan with --lr 1e+30" in capsys.readouterr().err
    assert not (material / "out" / "model.safetensors").exists()
    with (material / "raw.txt").open("a") as file:
        file.write("\none more")
    assert main(arguments) == 2
    assert "other data" in capsys.readouterr().err


def test_an_encoder_in_half_precision_is_trained_in_single(material: Path) -> None:
    AutoModel.from_pretrained(material / "encoder").half().save_pretrained(material / "encoder")
    assert main(command(material, "out")) == 0
    assert {tensor.dtype for tensor in load_file(material / "out" / "model.safetensors").values()} == {torch.float32}


def test_subwords_are_those_that_the_tagger_reads(tmp_path: Path) -> None:
    """A tokenizer of RoBERTa's kind tells words that follow a space from others."""
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "Ġ", ",", "Ġa"]
    RobertaTokenizer(vocab={name: i for i, name in enumerate(names)}, merges=[("Ġ", "a")]).save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": 66}
    RobertaModel(RobertaConfig(vocab_size=len(names), **sizes)).save_pretrained(tmp_path)
    _, tokenizer = load_encoder(str(tmp_path), 64)
    pieces = tokenise(["a,b  a"], tokenizer, 64)[0]
    assert tokenizer.convert_ids_to_tokens(pieces.tolist()) == ["<s>", "Ġa", "Ġ", ",", "Ġ", "b", "Ġa", "</s>"]


MISTAKES = {
    "--texts=99999": "100059 unlabelled posts are asked for",
    "--texts=0": "--texts 0: give 1 or more",
    "--held_out=0": "--held_out 0: give 1 or more",
    "--batch_size=-1": "--batch_size -1: give 1 or more",
    "--threads=0": "--threads 0: give 1 or more",
    "--max_pieces=65": "--max_pieces 65: {folder}/encoder reads from 3 to 64",
    "--max_pieces=2": "--max_pieces 2: {folder}/encoder reads from 3 to 64",
    "--encoder={folder}/none": "--encoder {folder}/none: there is no such folder",
    "--posts={folder}/none.txt": "{folder}/none.txt cannot be read",
    "--posts={folder}/cut.txt.gz": "{folder}/cut.txt.gz cannot be read",
    "--lr=-1": "Invalid learning rate: -1.0",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_a_sentence(material: Path, capsys: pytest.CaptureFixture[str], mistake: str) -> None:
    (material / "cut.txt.gz").write_bytes(gzip.compress((material / "raw.txt").read_bytes())[:-20])
    try:
        status = main(command(material, "out", mistake.format(folder=material)))
    except SystemExit as ended:
        status = int(str(ended))
    assert status == 2
    assert MISTAKES[mistake].format(folder=material) in capsys.readouterr().err.splitlines()[-1]
