"""What the repository promises of itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from demo.make_images import main as make_images
from tests.conftest import ROOT

LAYERS = ["archive", "models", "transforms", "pipeline"]
FOLDERS = [*LAYERS, "bench", "demo", "deploy", "tests"]
SOURCES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))])


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


BEAM, TORCH = "apache_beam", "torch"


@pytest.mark.parametrize(
    ("layer", "libraries"), [("archive", {BEAM, TORCH}), ("models", {BEAM}), ("transforms", set()), ("pipeline", set())]
)
def test_imports_go_one_way(layer: str, libraries: set[str]) -> None:
    above = {*LAYERS[LAYERS.index(layer) + 1 :], "run_pipeline"}
    for path in (ROOT / layer).rglob("*.py"):
        assert not imported(path) & (libraries | above), path


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}


def own_imports(name: str) -> set[str]:
    """Our modules that a module imports, inside functions too; not what is for type checkers alone."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for_types = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for part in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports are not followed here"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in MODULES else str(node.module) for full in names}
    return {module for module in found if module in MODULES and module != name}


def folder_of(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle({name: own_imports(name) for name in MODULES}) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for name in MODULES:
        graph[folder_of(name)] |= {folder_of(other) for other in own_imports(name)} - {folder_of(name)}
    assert circle(graph) == []


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_no_folder_holds_more_than_a_third_of_the_code() -> None:
    lines: Counter[str] = Counter()
    for name, path in MODULES.items():
        lines[folder_of(name)] += len(path.read_text(encoding="utf-8").splitlines())
    assert max(lines.values()) <= sum(lines.values()) / 3, lines.most_common(3)


def test_ultralytics_is_imported_in_one_module() -> None:
    importers = [path.name for layer in LAYERS for path in (ROOT / layer).rglob("*.py") if "ultralytics" in imported(path)]
    assert importers == ["ultralytics_network.py"]


REQUIREMENTS = ["requirements.txt", "requirements-dev.txt", "deploy/requirements.txt", "bench/peers/requirements.txt"]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_pinned_and_say_what_they_are_for(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert line.removeprefix("-r ") in REQUIREMENTS or re.fullmatch(r"[a-z0-9-]+(\[[a-z]+\])?==[0-9.]+ +# .+", line), line


def test_every_import_is_a_requirement() -> None:
    pinned = set(re.findall(r"^[a-z0-9-]+(?=\[|==)", "\n".join((ROOT / name).read_text() for name in REQUIREMENTS), re.MULTILINE))
    providers = packages_distributions()
    for path in SOURCES:
        for name in imported(path) - sys.stdlib_module_names - {*FOLDERS, "run_pipeline"}:
            assert pinned & {provider.lower().replace("_", "-") for provider in providers.get(name, [name])}, f"{path} imports {name}"


def test_a_wheel_would_hold_every_module_and_the_weights() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    assert set(setuptools["packages"]) == {".".join(folder.parts) for folder in folders}
    held = {path for pattern in setuptools["package-data"]["models"] for path in (ROOT / "models").glob(pattern)}
    assert held >= {path for path in (ROOT / "models" / "pretrained").rglob("*") if path.is_file()}
    pages = {path for pattern in setuptools["package-data"]["pipeline.report"] for path in (ROOT / "pipeline" / "report").glob(pattern)}
    assert pages == {path for path in (ROOT / "pipeline").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}


def test_every_pin_lies_in_the_range_of_the_wheel() -> None:
    ranges = {
        one.name: one.specifier for one in map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    }
    pins = dict(line.split()[0].split("==") for line in (ROOT / "requirements.txt").read_text().splitlines())
    assert ranges.keys() == pins.keys()
    for name, version in pins.items():
        assert version in ranges[name], name
        assert "==" not in str(ranges[name]), name


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
    assert sum(size for path, size in sizes.items() if "detector" in path.parts) <= 12e6
    assert sum(sizes.values()) <= 100e6
