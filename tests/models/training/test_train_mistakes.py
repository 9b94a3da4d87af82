"""Mistakes in the command of training, which cost one sentence and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.train import main
from tests.models.training.material import command


def test_another_command_does_not_go_on(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (material / "bundle" / "checkpoint").mkdir(parents=True)
    (material / "bundle" / "checkpoint" / "identity.txt").write_text("other")
    (material / "bundle" / "checkpoint" / "teachers.npy").touch()
    assert main(command(material)) == 2
    assert "another command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("--data={folder}/nowhere", "there is no file or folder '{folder}/nowhere'"),
        ("--data={folder}/empty", "empty/train.txt holds no tweets"),
        ("--encoder={folder}/nowhere", "--encoder {folder}/nowhere: there is no such folder"),
        ("--vectors={folder}/nowhere", "nowhere cannot be read as word vectors"),
        ("--images={folder}/*.tar", "--images matched no file"),
        ("--epochs=0", "--epochs 0: give 1 or more"),
        ("--lr=-1", "--lr -1.0: give 0 or more"),
        ("--lr=nan", "--lr nan: give 0 or more"),
        ("--lr=inf", "--lr inf: give 0 or more"),
        ("--lr=1e30", "the loss is no finite number in epoch"),
        ("--detector=none", "--detector none leaves no network to read pictures"),
        ("--max_objects=0", "--max_objects 0: give 1 or more"),
        ("--word_dropout=2", "--word_dropout 2.0: give 0 to 1"),
        ("--device=tpu", "--device 'tpu' is none of"),
        ("--threads=0", "--threads 0: give 1 or more"),
    ],
)
def test_mistakes_are_told_in_a_sentence(material: Path, capsys: pytest.CaptureFixture[str], mistake: str, said: str) -> None:
    (material / "empty").mkdir()
    for name in ("train", "valid"):
        (material / "empty" / f"{name}.txt").touch()
    arguments = command(material, mistake.format(folder=material))
    try:
        status = main(arguments)
    except SystemExit as ended:  # of argparse
        status = int(str(ended.code))
    assert status == 2
    assert said.format(folder=material) in capsys.readouterr().err.splitlines()[-1]
    assert main(command(material, "--epochs=1")) == 0  # a corrected command is not taken for another run


def test_a_folder_with_something_in_it_is_left_alone(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(material, f"--output={material}/data")) == 2
    assert "not empty" in capsys.readouterr().err
