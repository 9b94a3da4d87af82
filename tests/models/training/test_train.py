"""Training end to end on a handful of tweets, with networks of a few thousand weights."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from transformers import BertModel

from archive.images.decode import Limits
from models import evaluate
from models.datasets.conll import read_conll
from models.datasets.labelled_post import text_of
from models.inference.options import ModelOptions
from models.loading import load_annotator, load_vision_model
from models.tagging.bundle import load_bundle
from models.tagging.labels import TYPES
from models.train import main
from tests.conftest import ROOT
from tests.models.training.material import PEOPLE, PLACES, REST, command, tweets


def test_a_bundle_with_its_own_backbone_learns_and_reads_pictures(material: Path) -> None:
    assert main(command(material, f"--backbone={material}/backbone")) == 0
    bundle = load_bundle(material / "bundle")
    assert bundle.settings.backbone == "backbone"
    assert bundle.tagger.config.granularities[0] == {"kind": "grid", "width": 24}
    options = ModelOptions(model=str(material / "bundle"), detector=None)
    annotator, vision_model = load_annotator(options), load_vision_model(options)
    assert vision_model.grid_id == bundle.settings.grid
    posts, _ = read_conll(material / "data" / "valid.txt", TYPES)
    picture = (material / "pictures" / "0.jpg").read_bytes()
    (image_features,) = vision_model.extract([vision_model.preprocess(picture, Limits())])
    inputs = [(text_of(post)[0], {"0.jpg": image_features}) for post in posts]
    for post, entities in zip(posts, annotator.annotate(inputs), strict=True):
        assert [(e.text, e.type) for e in entities] == [(post.tokens[0], "PER"), (post.tokens[2], "LOC")]
        assert all({one.image for one in e.evidence} == {"0.jpg"} for e in entities)
        assert all(0 <= sum(one.weight for one in e.evidence) <= 1.0001 for e in entities)
    card = (material / "bundle" / "README.md").read_text()
    assert "--backbone" in card
    assert "| 100.00 | 100.00 |" in card
    curves = list(csv.DictReader((material / "bundle" / "curves.csv").open()))
    assert [row["epoch"] for row in curves] == ["1", "2", "3", "4"]
    assert sorted(path.name for path in (material / "bundle").iterdir()) == [
        *("README.md", "augmentation.txt", "backbone", "config.json", "curves.csv", "curves.png", "model.safetensors", "tokenizer")
    ]


def test_weights_stored_in_half_precision_are_trained_in_full(material: Path) -> None:
    BertModel.from_pretrained(material / "encoder", dtype=torch.float16).save_pretrained(material / "encoder")
    assert json.loads((material / "encoder" / "config.json").read_text())["dtype"] == "float16"
    assert main(command(material, "--epochs=3")) == 0
    assert {weight.dtype for weight in load_bundle(material / "bundle").tagger.parameters()} == {torch.float32}
    assert "| 100.00 | 100.00 |" in (material / "bundle" / "README.md").read_text()


def test_it_goes_on_from_the_text_encoder_of_a_bundle(material: Path) -> None:
    assert main(command(material, "--epochs=1")) == 0
    again = command(material, "--epochs=1", f"--encoder={material}/bundle", f"--output={material}/again", "--freeze_encoder", "--seed=1")
    assert main(again) == 0
    before, after = (load_bundle(material / name).tagger for name in ("bundle", "again"))
    for name, weight in before.encoder.state_dict().items():
        assert torch.allclose(weight, after.encoder.state_dict()[name], atol=1e-3), name
    assert not torch.allclose(before.emissions.weight, after.emissions.weight, atol=1e-3)


def test_refit_learns_the_valid_posts_too_and_tells_the_scores_of_the_bundle_that_did_not(
    material: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (material / "data" / "train.txt").write_text(tweets(60, 1).replace("Lima\tB-LOC", "Lima\tO"))  # only the valid posts know Lima
    (material / "data" / "valid.txt").write_text(tweets(60, 2))
    assert main(command(material)) == 0
    refit = command(material, f"--refit={material}/bundle", f"--output={material}/refit")
    assert main(refit) == 0
    held_out, both = load_bundle(material / "bundle"), load_bundle(material / "refit")
    assert both.settings.temperature == held_out.settings.temperature
    assert both.settings.min_score == held_out.settings.min_score > 0
    found = {}
    for name in ("bundle", "refit"):
        annotator = load_annotator(ModelOptions(model=str(material / name), detector=None))
        found[name] = [entity.text for entity in annotator.annotate([("Anna loves Lima !", {})])[0]]
    assert found == {"bundle": ["Anna"], "refit": ["Anna", "Lima"]}
    cards = {name: (material / name / "README.md").read_text() for name in ("bundle", "refit")}
    assert "Trained on 60 tweets" in cards["bundle"]
    assert "Trained on 120 tweets" in cards["refit"]
    assert f"are those of `{held_out.label}`" in cards["refit"]
    scores = [next(line for line in card.splitlines() if line.startswith("| data |")) for card in cards.values()]
    assert scores[0] == scores[1]
    assert held_out.settings.min_score == pytest.approx(float(scores[0].split("|")[2]) / 200, abs=0.01)
    assert next(csv.reader((material / "refit" / "curves.csv").open())) == ["epoch", "loss", "lr"]
    for number, other in enumerate(("--no-casing", "--map=LOC=PLACE", "--fusion_width=0", "--max_objects=2", "--table_words=5")):
        assert main([*refit, other, f"--output={material}/other-{number}"]) == 2
        assert "is of another command" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*refit, "--patience=1"])
    assert "leave out --patience" in capsys.readouterr().err


KILLED = """
import os, signal, sys
from models.train import main
from models.training.loop import Training

def step(training, chosen, index, last):
    whole_step(training, chosen, index, last)
    if [training._epoch, index] == place:
        os.kill(os.getpid(), signal.SIGKILL)

place = [int(number) for number in sys.argv[1:3]]
whole_step, Training._step = Training._step, step
Training.run.__defaults__ = (0.0,)  # a state after each step
main(sys.argv[3:])
"""
"""Training that is killed in an epoch (first argument) after a step (second) whose state is not saved yet."""


def test_killed_at_any_moment_it_goes_on_to_the_same_bundle(material: Path) -> None:
    arguments = command(material, "--epochs=3", "--case_noise=0.3")
    assert main(arguments) == 0
    whole = (material / "bundle" / "model.safetensors").read_bytes()
    shutil.rmtree(material / "bundle")
    for epoch, step in ((0, 5), (1, 0), (2, 7)):  # each epoch has 10 steps
        killed = [sys.executable, "-c", KILLED, str(epoch), str(step), *arguments]
        assert subprocess.run(killed, cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode == -signal.SIGKILL
        state = torch.load(material / "bundle" / "checkpoint" / "state.pt", weights_only=True)
        assert state["place"][:2] == (epoch, step)
    assert main(arguments) == 0
    assert (material / "bundle" / "model.safetensors").read_bytes() == whole


KINDS = {"Paris": "city", "Rome": "town", "Oslo": "PER", "Lima": "noise"}


def own_labels(count: int, seed: int) -> str:
    """Posts of five types as Prodigy writes them, with pictures by their whole names."""
    chance = random.Random(seed)
    lines = []
    for number in range(count):
        person, place = chance.choice(PEOPLE).title(), chance.choice(PLACES).title()
        text = f"{person} {chance.choice(REST)} {place}!"
        spans = [
            {"start": 0, "end": len(person), "label": "hero" if person in ("Anna", "Bob") else "villain"},
            {
                "start": text.index(place),
                "end": len(text) - 1,
                "label": {"Paris": "city", "Rome": "town", "Oslo": "PER"}.get(place, "noise"),
            },
        ]
        lines.append(json.dumps({"text": text, "spans": spans, "images": [f"{number % 3}.jpg"]}))
    return "\n".join(lines)


def test_own_types_are_trained_and_scored_beside_those_of_the_shipped_bundle(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = material / "own"
    folder.mkdir()
    (folder / "train.jsonl").write_text(own_labels(200, 1))
    (folder / "valid.jsonl").write_text(own_labels(20, 2))
    given = [f"--data={folder}/train.jsonl", "--map=noise=", "--map=town=village", "--epochs=5", "--language=en"]
    assert main(command(material, *given)) == 0
    said = capsys.readouterr().err
    assert "types: PER, city, hero, village, villain" in said
    assert "type noise: left out" in said
    bundle = load_bundle(material / "bundle")
    assert bundle.tagger.config.types == ("PER", "city", "hero", "village", "villain")
    card = (material / "bundle" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["language"], front["library_name"], front["datasets"]) == ("en", "postner", ["own"])
    scored = [f"--data={folder}", "--map=noise=", "--map=town=village", f"--images={material}/pictures", "--threads=1"]
    report, errors = material / "report.json", material / "errors.jsonl"
    assert evaluate.main([*scored, f"--model={material}/bundle", "--compare=shipped", f"--json={report}"]) == 0
    scores = json.loads(report.read_text())
    assert scores["lenient"]["f1"] > 0.9
    assert set(scores["types"]) == {"PER", "LOC", "ORG", "MISC", "city", "hero", "villain", "village"}
    assert scores["shared"]["types"] == ["PER"]
    against = scores["compare"]
    assert against["model"].startswith("postner-e5-small@")
    low, high = against["all"]["ci95"]
    assert low <= against["all"]["difference"] <= high
    assert against["all"]["f1"][0] > against["all"]["f1"][1]
    assert len(scores["predictions"]) == 20
    first = scores["predictions"][0]
    assert all(first["text"][one["start"] : one["end"]] == one["text"] for one in first["gold"] + first["predicted"])
    assert first["images"] == ["0.jpg"]
    assert evaluate.main([*scored, "--model=shipped", f"--errors={errors}"]) == 0
    written = [json.loads(line) for line in errors.read_text().splitlines()]
    assert {error["kind"] for error in written} <= {"missed", "spurious", "wrong type", "wrong boundary"}
    page = Path(f"{errors}.html").read_text()
    assert page.count("</article>") == len(written) > 0
    assert "data:image/jpeg;base64," in page
    assert main([*command(material, *given, f"--output={material}/other"), "--map=nothing=x"]) == 2
    assert "--map nothing=x: there is no such type" in capsys.readouterr().err
