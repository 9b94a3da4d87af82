"""Every way in which an output can be wrong is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.command import main as run
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from pipeline.verify import main as verify
from tests.conftest import DEMO


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for path in DEMO.iterdir():
        shutil.copy(path, folder)
    arguments = ["--threads=1", f"--posts={folder}/posts-*.jsonl", f"--images={folder}/images-*.tar", f"--output={folder}/out"]
    assert run(arguments) == EXIT_DONE
    return folder / "out"


@pytest.fixture
def output(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "out")
    return tmp_path / "out"


def first(output: Path) -> Path:
    return sorted((output / "annotations").iterdir())[0]


def edit(output: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change rows of a file, with its metadata and its hash in run.json as if nothing had happened."""
    path = first(output)
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), table.schema), path)
    hide(output)


def hide(output: Path) -> None:
    state = json.loads((output / "run.json").read_text())
    state["files"] = {
        f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("*/*.parquet")
    }
    (output / "run.json").write_text(json.dumps(state))


def with_entity(**changes: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        row = next(row for row in rows if row["entities"])
        row["entities"][0] |= changes
        return rows

    return change


def test_a_good_output_is_good(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify([str(good)]) == EXIT_DONE
    assert "47 lines, 45 rows, all is accounted for" in capsys.readouterr().out


def lose_a_file(output: Path) -> None:
    first(output).unlink()
    hide(output)


def double_a_file(output: Path) -> None:
    shutil.copy(first(output), output / "annotations" / "again.parquet")
    hide(output)


def change_a_byte(output: Path) -> None:
    path = next((output / "rejects").glob("*.parquet"))
    raw = bytearray(path.read_bytes())
    raw[40] ^= 1
    path.write_bytes(raw)


def write_nonsense(output: Path) -> None:
    (output / "annotations" / "nonsense.parquet").write_bytes(b"nonsense")


def change_the_schema(output: Path) -> None:
    table = pq.read_table(first(output))
    pq.write_table(table.rename_columns(["id", *table.schema.names[1:]]), first(output))
    hide(output)


def change_the_input(output: Path) -> None:
    state = json.loads((output / "run.json").read_text())
    for file in state["inputs"]["posts"].values():
        file["sha256"], file["modified"] = "0" * 64, "0"
    (output / "run.json").write_text(json.dumps(state))


def leave_unfinished(output: Path) -> None:
    state = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps(state | {"state": "running"}))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lose_a_file, "are accounted for"),
        (double_a_file, "do not join"),
        (change_a_byte, "SHA-256"),
        (change_the_schema, "schema"),
        (write_nonsense, "cannot be read"),
        (change_the_input, "was changed since it was read"),
        (leave_unfinished, "--resume"),
        (lambda output: edit(output, lambda rows: rows[1:]), "rejects, "),
        (lambda output: edit(output, lambda rows: [*rows, rows[0]]), "rejects, "),
        (lambda output: edit(output, with_entity(start=1)), "is not at 1:"),
        (lambda output: edit(output, with_entity(score=1.5)), "has score 1.5"),
        (lambda output: edit(output, lambda rows: [row | {"model": "x"} for row in rows]), "annotated by x"),
    ],
)
def test_harm_is_found(output: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], words: str) -> None:
    harm(output)
    assert verify([str(output)]) == EXIT_FAILED
    assert words in capsys.readouterr().out


def test_no_output_is_a_mistake_of_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify([str(tmp_path)]) == EXIT_USAGE
    assert "run.json" in capsys.readouterr().err
