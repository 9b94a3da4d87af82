"""Scoring a bundle, and scoring what the pipeline wrote with it, give the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models import evaluate
from models.datasets import conll
from models.inference.precision import usable_precision
from pipeline.command import main as run
from pipeline.process import EXIT_DONE
from tests.conftest import ROOT

IMAGES = ROOT / "demo" / "archive" / "images-00000.tar"
TWEETS = """\
IMGID:{}
Angela\tB-PER
Merkel\tI-PER
in\tO
#Hamburg\tB-LOC

IMGID:{}
RT\tO
@nba\tO
:\tO
LeBron\tB-PER
James\tI-PER
leaves\tO
Cleveland\tB-ORG

IMGID:none
Nothing\tO
here\tO
👍🏽\tO
"""


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    path = tmp_path / "set" / "valid.txt"
    path.parent.mkdir()
    path.write_text(TWEETS.format("flower", "grace-hopper"))
    return path


@pytest.mark.parametrize("condition", ["with", "without"])
def test_a_bundle_and_its_rows_score_the_same(tweets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], condition: str) -> None:
    assert conll.main([str(tweets)]) == 0
    (tmp_path / "posts.jsonl").write_text(capsys.readouterr().out)
    images = [f"--images={IMAGES}"] if condition == "with" else []
    assert run([f"--posts={tmp_path}/posts.jsonl", f"--output={tmp_path}/out", "--threads=1", *images]) == EXIT_DONE
    fixed = [f"--data={tweets}", "--threads=1", "--precision=auto"]  # as run_pipeline.py, which has it as its default
    assert evaluate.main([*fixed, f"--condition={condition}", *images, f"--json={tmp_path}/a.json"]) == 0
    assert evaluate.main([*fixed, f"--rows={tmp_path}/out/annotations", f"--json={tmp_path}/b.json"]) == 0
    bundle, rows = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert bundle["precision"] == usable_precision("auto", "cpu")
    assert rows["precision"] is None
    assert bundle["lenient"]["gold"] == 4
    assert bundle["lenient"]["f1"] > 0.5
    for name in ("lenient", "strict", "spans", "types", "confusion"):
        assert bundle[name] == rows[name]
    assert bundle["ece"] == pytest.approx(rows["ece"], abs=1e-6)


def test_mistakes_are_told_in_a_sentence(tweets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([f"--data={tmp_path}/none.txt", "--condition=without"]) == 2
    assert "none.txt" in capsys.readouterr().err
    assert run([f"--posts={ROOT}/demo/archive/posts-00000.jsonl", f"--output={tmp_path}/out", "--detector=none"]) == EXIT_DONE
    assert evaluate.main([f"--data={tweets}", f"--rows={tmp_path}/out/annotations"]) == 2
    assert "set/valid:000000" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate.main([f"--data={tweets}"])
    assert "--images" in capsys.readouterr().err
