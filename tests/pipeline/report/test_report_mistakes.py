"""The command of the report: its help, and what it says of mistakes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.report.command import main

ROOT = Path(__file__).parents[3]


def refused(*arguments: str) -> str:
    ended = subprocess.run([sys.executable, "-m", "pipeline.report", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    [told] = ended.stderr.splitlines()
    assert told.startswith("pipeline.report: ")
    return told


def test_mistakes_are_one_sentence(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused()
    broken = tmp_path / "broken"
    shutil.copytree(output, broken)
    (broken / "annotations" / "00000.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    out = str(output)
    for arguments in (
        ["no-such-folder"],
        ["README.md"],
        ["docs"],
        ["nowhere://x"],
        [str(broken)],
        [out, "--posts", "-1"],
        [out, "--posts", "many"],
        [out, "--posts", "9999999"],
        [out, "--images", "no-such.tar"],
        [out, "--to", str(tmp_path)],
        [out, "--to", "/proc/no/such.html"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        [told] = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2, arguments
        assert told.startswith("pipeline.report: "), arguments


def test_help_has_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "(default: 200)" in said
    assert "(default: OUT/report.html)" in said
