"""Every command in README and docs is run by the tests, or marked as not run here and at least possible."""

from __future__ import annotations

import importlib.util
import re
import shlex

import pytest

from pipeline.beam_options import parse_beam_options
from pipeline.options import parse
from tests.conftest import ROOT
from tests.docs.blocks import Block, commands

RUN_BY = {
    "make demo": "tests/docs/test_recipes.py, by its lines",
    "make test": "whoever runs this",
}
"""Commands of blocks without a mark that need no run of their own."""

OURS = ("pipeline", "models", "bench", "deploy", "demo")
MARKED = [block for block in commands() if block.reason]
UNMARKED = [block for block in commands() if not block.reason]
LINES = [pytest.param(line, id=f"{block.page}: {line[:60]}") for block in MARKED for line in block.lines()]


def runs_on_the_demo(line: str) -> bool:
    """True for a command that reads the output of the demo; tests/docs/test_recipes.py runs it."""
    words = shlex.split(line)
    return words[0].endswith("python") and words[1] in ("-c", "-m") and "out/demo" in line


@pytest.mark.parametrize("block", [pytest.param(block, id=f"{block.page}: {block.text[:50]!r}") for block in UNMARKED])
def test_a_block_without_a_mark_is_run(block: Block) -> None:
    for line in block.lines():
        assert line in RUN_BY or runs_on_the_demo(line), f"{block.page}: {line}: write <!-- not run here: reason --> before the block"


@pytest.mark.parametrize("line", LINES)
def test_a_command_that_is_not_run_is_possible(line: str) -> None:
    for command in re.split(r" && ", line):
        words = shlex.split(command)
        while words and re.fullmatch(r"(unshare|--(user|net|map-root-user)|[A-Z_]+=.*)", words[0]):
            words.pop(0)
        if words[0] == "make":
            assert re.search(rf"^{re.escape(words[1])}:", (ROOT / "Makefile").read_text(), re.MULTILINE) or "/" in words[-1]
        elif words[0].endswith("python") and words[1] == "run_pipeline.py":
            options, rest = parse(words[2:])
            parse_beam_options(rest, options)
        elif words[0].endswith("python") and words[1] == "-m" and words[2].split(".")[0] in OURS:
            has_options(words[2], words[3:])
        for name in re.findall(r"\s(?:-f |-r |--metadata-file=)(\S+)", command):
            assert (ROOT / name).exists(), name


def has_options(module: str, arguments: list[str]) -> None:
    """The module is there, and its source names each of the options."""
    spec = importlib.util.find_spec(module)
    assert spec, module
    assert spec.origin
    folder = ROOT / module.split(".")[0]
    source = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    for argument in arguments:
        if argument == "--":
            break
        if argument.startswith("--"):
            name = argument[2:].partition("=")[0]
            assert re.search(rf"(--|\b){re.escape(name)}\b", source), f"{module} has no {argument}"


def test_a_wrong_option_would_be_found() -> None:
    with pytest.raises(AssertionError, match="--no_such_option"):
        has_options("pipeline.verify", ["out", "--no_such_option=1"])
