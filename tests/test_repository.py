"""What the repository promises of itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from demo.make_images import main as make_images

ROOT = Path(__file__).parent.parent
LAYERS = ["models", "transforms", "pipeline"]
FOLDERS = [*LAYERS, "bench", "demo", "deploy", "tests"]
SOURCES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))])


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(("layer", "forbidden"), [("models", {"apache_beam", "transforms", "pipeline"}), ("transforms", {"pipeline"})])
def test_imports_go_one_way(layer: str, forbidden: set[str]) -> None:
    for path in (ROOT / layer).rglob("*.py"):
        assert not imported(path) & forbidden, path


def test_ultralytics_is_imported_in_one_module() -> None:
    importers = [path.name for layer in LAYERS for path in (ROOT / layer).rglob("*.py") if "ultralytics" in imported(path)]
    assert importers == ["yolo.py"]


REQUIREMENTS = ["requirements.txt", "requirements-dev.txt", "deploy/requirements.txt"]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_pinned_and_say_what_they_are_for(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert line.removeprefix("-r ") in REQUIREMENTS or re.fullmatch(r"[a-z0-9-]+(\[[a-z]+\])?==[0-9.]+ +# .+", line), line


def test_every_import_is_a_requirement() -> None:
    pinned = set(re.findall(r"^[a-z0-9-]+(?=\[|==)", "\n".join((ROOT / name).read_text() for name in REQUIREMENTS), re.MULTILINE))
    providers = packages_distributions()
    for path in SOURCES:
        for name in imported(path) - sys.stdlib_module_names - {*FOLDERS, "run_pipeline"}:
            assert pinned & {provider.lower().replace("_", "-") for provider in providers[name]}, f"{path} imports {name}"


def test_a_wheel_would_hold_every_module_and_the_weights() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    assert set(setuptools["packages"]) == {".".join(folder.parts) for folder in folders}
    held = {path for pattern in setuptools["package-data"]["models"] for path in (ROOT / "models").glob(pattern)}
    assert held >= {path for path in (ROOT / "models" / "pretrained").rglob("*") if path.is_file()}


def test_every_dependency_is_explained_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert f"`{line.split('==')[0]}`" in readme, line


def test_make_help_lists_the_targets() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in said.splitlines()} >= {"help", "setup", "demo", "test", "lint", "bench", "clean"}


def test_the_demo_shards_are_what_their_script_makes(tmp_path: Path) -> None:
    make_images(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (ROOT / "demo" / "archive" / path.name).read_bytes(), path.name


def test_no_source_names_a_machine() -> None:
    for path in SOURCES:
        assert not re.search(r"/(work|root|home)/", path.read_text(encoding="utf-8").replace("/(work|root|home)/", "")), path


def test_shipped_weights_are_small() -> None:
    sizes = {path: path.stat().st_size for path in (ROOT / "models" / "pretrained").rglob("*") if path.is_file()}
    assert sum(size for path, size in sizes.items() if "detector" in path.parts) <= 8e6
    assert sum(sizes.values()) <= 100e6
