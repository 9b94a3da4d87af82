"""`--help` and mistakes are answered before torch and Beam, which take seconds, are imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from apache_beam.options import pipeline_options

from pipeline.definitions import UsageError
from pipeline.options import OPTIONS
from pipeline.unknown_options import refuse_misspelt, refuse_stray
from tests.conftest import ROOT

NAMES = [option.name for option in OPTIONS]

SCRIPT = """
import sys
from pipeline.command import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
heavy = {"torch", "apache_beam", "transformers", "onnxruntime"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else status)
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--modle=x"], 2),
        (["--posts={tmp}/none", "--output={tmp}/out"], 2),
        (["--posts={posts}", "--output={tmp}"], 2),
        (["--posts={posts}", "--output={tmp}/out", "--preset=reddit"], 2),
        (["--posts={posts}", "stray", "--output={tmp}/out"], 2),
    ],
)
def test_nothing_heavy_is_imported(arguments: list[str], status: int, tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    posts = posts_file({"id": 1, "text": "a"})
    command = [sys.executable, "-c", SCRIPT, *(argument.format(tmp=tmp_path, posts=posts) for argument in arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1 if status else 0), done.stderr


def test_no_option_of_beam_is_taken_for_a_misspelt_one_of_ours() -> None:
    parser = pipeline_options._BeamArgumentParser(allow_abbrev=False)
    for kind in pipeline_options.PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    refuse_misspelt([*parser._option_string_actions], NAMES)
    refuse_misspelt([f"--{name}={name}" for name in NAMES], NAMES)


@pytest.mark.parametrize("given", ["--overwrit", "--over_write", "--owerwrite", "--over"])
def test_what_empties_a_folder_is_never_suggested(given: str) -> None:
    with pytest.raises(UsageError, match=r"unknown option '--\w+' \(see --help\)$"):
        refuse_misspelt([given], NAMES)


@pytest.mark.parametrize(("given", "meant"), [("--model-", "model"), ("-posts", "posts"), ("--Output=x", "output"), ("--worker", None)])
def test_names_that_are_nearly_ours(given: str, meant: str | None) -> None:
    if meant is None:
        return refuse_misspelt([given], NAMES)
    with pytest.raises(UsageError, match=f"did you mean --{meant}"):
        refuse_misspelt([given], NAMES)
    return None


def test_values_of_options_of_beam_are_not_stray() -> None:
    refuse_stray(["--runner", "FlinkRunner", "--streaming", "--flink_master=a:1", "--experiments", "x"])
    with pytest.raises(UsageError, match="unexpected argument 'b'"):
        refuse_stray(["--flink_master=a:1", "b"])
