"""The log: dated lines, or JSON."""

from __future__ import annotations

import json
import re

import pytest

from pipeline import logs
from pipeline.command import main


def test_text_has_dates(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.LOG.info("hello %s", "you")
    logs.LOG.debug("not told")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d postner: hello you\n", capsys.readouterr().err)


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "json", "20261126T000000Z-1")
    logs.LOG.info("not told")
    try:
        raise OSError("disk\nfull")
    except OSError:
        logs.LOG.exception("first\nsecond")
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["message"], told["run"]) == ("error", "first\nsecond", "20261126T000000Z-1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])
    assert "OSError" in told["traceback"]


@pytest.mark.parametrize("asked", [["--log_format=json"], ["--log_format", "json"]])
def test_mistakes_are_told_in_the_format_that_was_asked_for(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--modle=x", *asked]) == 2
    assert "did you mean --model?" in json.loads(capsys.readouterr().err)["message"]
