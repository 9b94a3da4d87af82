"""The command `postner` of the installed package."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import venv
from importlib import import_module
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from pipeline.console import COMMANDS, run
from pipeline.process import EXIT_DONE, EXIT_USAGE
from tests.conftest import DEMO, ROOT


def test_help_lists_the_commands_and_imports_none() -> None:
    assert run([]) == run(["--help"]) == run(["-h"]) == EXIT_DONE
    light = (
        "import sys; from pipeline.console import run; run(['--help'])\n"
        "sys.exit(bool({'torch', 'apache_beam', 'pyarrow'} & sys.modules.keys()))"
    )
    listed = subprocess.run([sys.executable, "-c", light], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ")] == list(COMMANDS)


def test_a_wrong_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["anotate"]) == EXIT_USAGE
    assert "'anotate' is no command: give one of annotate, peek" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_options_and_exit_status(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(import_module(COMMANDS[name][0]).main)
    try:
        status = run([name, "--no_such_option"])
    except SystemExit as ended:  # of argparse
        status = int(str(ended.code))
    assert status == EXIT_USAGE
    assert capsys.readouterr().err


def test_an_installed_wheel_annotates_from_any_folder(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "out", "*.egg-info", "tests", "target"))
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", f"--wheel-dir={tmp_path}", str(source)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env")
    packages = next((tmp_path / "env").rglob("site-packages"))
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    python = f"--python={tmp_path}/env/bin/python"
    subprocess.run([sys.executable, "-m", "pip", python, "install", "-q", "--no-deps", str(wheel)], check=True)
    command = [f"{tmp_path}/env/bin/postner", "annotate", f"--posts={DEMO}/posts-00000.jsonl", "--output=out", "--threads=1"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert ds.dataset(tmp_path / "out" / "annotations").count_rows() == 21
