"""Every command tells how it is used, and answers a wrong path in a sentence."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import pytest

from tests.conftest import ROOT

NO_COMMANDS = {"bench.peers.by_hand", "bench.peers.daft_data", "bench.peers.ray_data", "bench.peers.texts_by_hand"} | {
    "models.vision.images.decode_child",
    "pipeline.options",
}
"""Programs that other programs start, or that have no options."""

HELP = """
import contextlib, io, json, runpy, sys

for module in sys.argv[1:]:
    shown, sys.argv = io.StringIO(), [module, "--help"]
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    slow = [name for name in ("torch", "transformers", "apache_beam", "openvino", "sklearn") if name in sys.modules]
    print(json.dumps([module, "usage: " in shown.getvalue(), slow]))
"""
"""Shows the help of commands one after the other, and prints which libraries are imported by then that take seconds."""

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


def test_help_is_there_and_imports_nothing_slow() -> None:
    files = [path for folder in ("bench", "demo", "deploy", "docs", "models", "pipeline") for path in (ROOT / folder).rglob("*.py")]
    programs = [path.relative_to(ROOT) for path in files if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
    commands = {".".join(path.with_suffix("").parts).removesuffix(".__main__") for path in programs} - NO_COMMANDS | {"run_pipeline"}
    assert {*COMMANDS} <= commands
    python = subprocess.run([sys.executable, "-c", HELP, *sorted(commands)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert [json.loads(line) for line in python.stdout.splitlines()] == [[command, True, []] for command in sorted(commands)]


@pytest.mark.parametrize("module", [module for module, arguments in COMMANDS.items() if arguments])
def test_a_wrong_path_is_named(module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "/none/such"
    assert run(module, [argument.format(none=wrong) for argument in COMMANDS[module] or ()], monkeypatch) in (1, 2)
    said = capsys.readouterr().err
    assert wrong in said
    assert "Traceback" not in said
