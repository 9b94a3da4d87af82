"""The recipes and commands of the docs that read the output of `make demo`, run on it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.conftest import DEMO, ROOT
from tests.docs.blocks import blocks, commands
from tests.docs.test_commands import runs_on_the_demo

SPARK = ROOT / "build" / "spark" / "bin" / "python"


def run(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the demo was run: its output is out/demo."""
    folder = tmp_path_factory.mktemp("recipes")
    demo = [f"--posts={DEMO}/posts-*.jsonl", f"--images={DEMO}/images-*.tar", "--output=out/demo", "--threads=1"]
    run([str(ROOT / "run_pipeline.py"), *demo], folder)
    return folder


def test_every_recipe_runs_and_gives_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    statements = [statement for block in blocks("sql") if not block.reason for statement in duckdb.extract_statements(block.text)]
    assert len(statements) >= 6
    for statement in statements:
        assert duckdb.connect().execute(statement).fetchall(), statement.query
    recipes = [block for block in blocks("python") if not block.reason and "out/demo" in block.text]
    assert len(recipes) >= 3
    for block in recipes:
        run(["-c", block.text], folder)


@pytest.mark.skipif(not SPARK.exists(), reason="make test-spark installs Spark, and runs this")
def test_the_recipe_of_spark_gives_the_most_frequent_names(folder: Path) -> None:
    (recipe,) = [block.text for block in blocks("python") if "pyspark" in block.text]
    done = subprocess.run([SPARK, "-c", recipe], cwd=folder, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line.startswith("|")]
    files = f"{folder}/out/demo/annotations/*.parquet"
    query = f"SELECT entity.type, entity.text, count(*) FROM (SELECT unnest(entities) AS entity FROM '{files}') GROUP BY ALL"
    counts = {(kind, name): str(amount) for kind, name, amount in duckdb.connect().execute(query).fetchall()}
    assert shown[0] == ["type", "text", "count"]
    assert len(shown) == 6
    assert all(counts[kind, name] == amount for kind, name, amount in shown[1:])
    assert [amount for *_, amount in shown[1:]] == sorted(counts.values(), key=int, reverse=True)[:5]


def test_every_command_on_the_demo_runs(folder: Path) -> None:
    lines = [line for block in commands() if not block.reason for line in block.lines() if runs_on_the_demo(line)]
    assert len(lines) >= 2
    for line in lines:
        assert run(shlex.split(line)[1:], folder), line
    assert run(["-m", "pipeline.show", "out/demo"], folder)
    assert run(["-m", "pipeline.report", "out/demo"], folder)


def test_the_reference_has_every_field_of_run_json(folder: Path) -> None:
    page = (ROOT / "docs" / "reference.md").read_text().partition("## run.json")[2]
    named = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))))
    assert set(json.loads((folder / "out" / "demo" / "run.json").read_text())) == named
