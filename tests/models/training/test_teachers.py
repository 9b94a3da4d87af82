"""A student that learns from the marginals of a teacher on raw posts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from models.datasets.conll import read_conll
from models.datasets.labelled_post import text_of
from models.inference.options import ModelOptions
from models.loading import load_annotator
from models.tagging.labels import TYPES
from models.train import main
from tests.models.training.material import PEOPLE, PLACES, REST, command, tweets


def test_what_teachers_said_is_not_taken_up_for_other_posts(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(material, "--epochs=1")) == 0
    (material / "raw.txt").write_text("anna loves rome\nbob sees oslo\n")
    taught = [f"--teacher={material}/bundle", f"--unlabelled={material}/raw.txt", "--unlabelled_posts=2", "--epochs=1", "--lr=1e30"]
    taught.append(f"--output={material}/student")
    assert main(command(material, *taught)) == 2  # the loss is no number; what the teacher said is kept
    (material / "raw.txt").write_text("anna loves rome again and again\nbob sees oslo\n")
    assert main(command(material, *taught)) == 2
    assert "other data" in capsys.readouterr().err


def test_a_student_learns_from_raw_posts_what_its_labels_do_not_say(material: Path) -> None:
    """The student's own labels know no persons; the teacher's marginals do."""
    assert main(command(material)) == 0
    (material / "poor").mkdir()
    (material / "poor" / "train.txt").write_text(tweets(16, 3).replace("B-PER", "O"))
    (material / "poor" / "valid.txt").write_text(tweets(20, 2))
    chance = random.Random(4)
    parts = [[name.title() for name in PEOPLE], REST, [name.title() for name in PLACES], REST, ["!"]]
    texts = {" ".join(chance.choice(part) for part in parts) for _ in range(500)}
    (material / "raw.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in sorted(texts)))
    teacher = [f"--teacher={material}/bundle", f"--unlabelled={material}/raw.jsonl", "--unlabelled_posts=80", "--epochs=4"]
    alone = command(material, f"--data={material}/poor", f"--output={material}/alone", "--epochs=3")
    assert main(alone) == 0
    assert main([*alone, f"--output={material}/student", *teacher]) == 0
    posts, _ = read_conll(material / "data" / "valid.txt", TYPES)
    first_is_person = {}
    for name in ("alone", "student"):
        annotator = load_annotator(ModelOptions(model=str(material / name), detector=None))
        marginals = annotator.marginals([(text_of(post)[0], {}) for post in posts])
        first_is_person[name] = sum(of_post[0, 1] for of_post in marginals) / len(posts)
    assert first_is_person["alone"] < 0.4
    assert first_is_person["student"] > 0.8
