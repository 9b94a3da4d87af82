"""The lists of docs/reference.md are those of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from archive.images import recognise
from pipeline import process
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
LAYERS = ("archive", "models", "transforms", "pipeline")
REASON_IS_ARGUMENT = {"ImageError": 1, "ShardProblem": 1, "cut": 1, "_reject": 1, "reject": 0, "explain": 2}
"""Calls with a reason, and the place of it."""
RETURN_REASONS = {"read_fields", "_no_header"}
"""Functions that return a reason."""


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    return {word for line in text.splitlines() if line.startswith("| `") for word in re.findall(r"\w+", line.split("|")[1])}


def words(node: ast.AST) -> Iterator[str]:
    """Reasons among the constants of an expression, conditions aside."""
    if isinstance(node, ast.IfExp):
        yield from words(node.body)
        yield from words(node.orelse)
    elif isinstance(node, ast.Tuple) and node.elts:
        yield from words(node.elts[0])
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[a-z][a-z0-9_]+", node.value):
        yield node.value


def reasons_of_the_code() -> set[str]:
    found: set[str] = set()
    for path in (path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                place = REASON_IS_ARGUMENT.get(name)
                if place is not None and len(node.args) > place:
                    found.update(words(node.args[place]))
            elif isinstance(node, ast.FunctionDef) and node.name in RETURN_REASONS:
                found.update(word for part in ast.walk(node) if isinstance(part, ast.Return) and part.value for word in words(part.value))
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "reason":
                found.update(words(node.value))
            elif isinstance(node, ast.Dict):
                keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
                if "status" in keys and "reason" in keys:
                    found.update(words(node.values[keys.index("reason")]))
    formats = {name for name, _ in recognise._KNOWN}
    return found | formats


def test_every_reason_of_the_code_is_listed_and_no_other() -> None:
    listed = first_cells(section("Reasons")) - {"post", "tag", "image", "shard"}
    assert listed == reasons_of_the_code()


def test_every_status_of_a_picture_is_listed_and_no_other() -> None:
    found = {"ok", "partial"}
    for path in (path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ImageError":
                found.update(words(node.args[0]))
    assert first_cells(section("Statuses of pictures")) - {"images", "status"} == found


def test_every_exit_status_is_listed_and_no_other() -> None:
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", section("Exit statuses"), re.MULTILINE)}
    assert listed == {value for name, value in vars(process).items() if name.startswith("EXIT_")}
