"""Every command tells how it is used, and answers a wrong path in a sentence."""

from __future__ import annotations

import runpy
import sys

import pytest

COMMANDS = {
    "pipeline.show": ["{none}"],
    "pipeline.verify": ["{none}"],
    "pipeline.peek": ["{none}"],
    "pipeline.report": ["{none}"],
    "models.train": ["--data", "{none}", "--encoder", "{none}", "--output", "{none}/out"],
    "models.evaluate": ["--data", "{none}", "--condition=without"],
    "models.train_texts": ["--base", "{none}", "--data", "{none}", "--output", "{none}/out"],
    "models.adapt": ["--encoder", "{none}", "--posts", "{none}", "--output", "{none}/out"],
    "models.augment": ["--vectors", "{none}", "--output", "{none}/out"],
    "models.datasets.conll": ["{none}"],
    "bench.ablations": None,
    "bench.cutting": None,
    "bench.flink": ["--archive", "{none}"],
    "bench.gpu": ["--posts", "{none}"],
    "bench.kills": None,
    "bench.main_job": ["--archive", "{none}"],
    "bench.memory": ["--archive", "{none}"],
    "bench.overlap": None,
    "bench.peers": ["--archive", "{none}"],
    "bench.pictures": None,
    "bench.start": None,
    "bench.streaming": None,
    "bench.taggers": None,
    "deploy.flink.cluster": ["--jars", "{none}", "--", "--help"],
    "deploy.docker.rehearse": ["{none}"],
}
"""Arguments with a wrong path, or None for a command without paths that could be wrong at once."""


def run(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as stop:
        runpy.run_module(module, run_name="__main__")
    return stop.value.code


@pytest.mark.parametrize("module", COMMANDS)
def test_help_is_there(module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run(module, ["--help"], monkeypatch)
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize("module", [module for module, arguments in COMMANDS.items() if arguments])
def test_a_wrong_path_is_named(module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "/none/such"
    assert run(module, [argument.format(none=wrong) for argument in COMMANDS[module] or ()], monkeypatch) in (1, 2)
    said = capsys.readouterr().err
    assert wrong in said
    assert "Traceback" not in said
