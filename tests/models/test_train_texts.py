"""The command that adds the words in pictures to the shipped bundle, on a handful of tweets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models import evaluate
from models.pretrained import PRETRAINED
from models.tagging.bundle import load_bundle
from models.train_texts import main

TWEETS = [("Grace Hopper at the Pentagon", "B-PER I-PER O O B-LOC", "grace hopper in uniform"), ("good morning", "O O", "the sun")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    blocks, captions = [], []
    for number in range(6):
        text, tags, caption = TWEETS[number % 2]
        rows = "".join(f"{word}\t{tag}\n" for word, tag in zip(text.split(), tags.split(), strict=True))
        blocks.append(f"IMGID:{number}\n{rows}")
        captions.append(json.dumps({"image": f"{number}", "caption": caption, "objects": []}))
    (tmp_path / "valid.txt").write_text("\n".join(blocks))
    (tmp_path / "valid.captions.jsonl").write_text("\n".join(captions))
    return tmp_path


def command(data: Path, *more: str) -> list[str]:
    fixed = ["--folds=2", "--epochs=1", "--batch_size=2", "--threads=1", f"--output={data}/with-texts"]
    return [f"--base={PRETRAINED}/default", f"--data={data}/valid.txt", *fixed, *more]


def test_a_bundle_gets_the_granularity_and_is_scored_with_captions(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(data)) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"own", "none", "another", "own - none", "another - none", "own - another"} == set(scores)
    base, made = (load_bundle(folder) for folder in (PRETRAINED / "default", data / "with-texts"))
    assert made.settings.name == "with-texts"
    assert made.tagger.texts.output.weight.any()
    for name, weight in base.tagger.state_dict().items():
        assert torch.equal(weight, made.tagger.state_dict()[name]), name
    assert "models.train_texts" in (data / "with-texts" / "README.md").read_text()
    scored = [f"--data={data}/valid.txt", f"--model={data}/with-texts", "--threads=1", f"--json={data}/scores.json"]
    for condition in evaluate.CONDITIONS:
        assert evaluate.main([*scored, "--captions", f"--condition={condition}"]) == 0
        assert json.loads((data / "scores.json").read_text())["condition"] == condition
    with pytest.raises(SystemExit):
        evaluate.main(scored)  # no pictures, no captions


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("--base={folder}", "is not a model bundle"),
        ("--data={folder}/other.txt", "other.txt"),
        ("--folds=7", "--folds 7: give 2 to 6"),
        ("--output={folder}", "exists: give another folder"),
        ("--lr=-1", "--lr -1.0: give 0 or more"),
    ],
)
def test_mistakes_are_told_in_a_sentence(data: Path, capsys: pytest.CaptureFixture[str], mistake: str, said: str) -> None:
    assert main(command(data, mistake.format(folder=data))) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (data / "with-texts").exists()


@pytest.mark.parametrize("line", ["{", "[]", '{"image": "1"}', '{"image": 1, "caption": "x"}'])
def test_a_broken_line_of_captions_is_named(data: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    (data / "valid.captions.jsonl").write_text(f'{{"image": "0", "caption": "x"}}\n{line}\n')
    assert main(command(data)) == 2
    assert "valid.captions.jsonl:2" in capsys.readouterr().err
