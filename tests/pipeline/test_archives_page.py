"""Every line of docs/archives.md, typed as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.command import main
from pipeline.process import EXIT_DONE
from tests.archive.archives import make_all
from tests.conftest import ROOT

LINES = re.findall(r"^\|[^|]*\| `(--posts [^`]*)` \|$", (ROOT / "docs" / "archives.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, jpeg: Callable[..., bytes]) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    make_all(folder, jpeg(1))
    return folder


@pytest.mark.parametrize("line", LINES)
def test_what_the_page_says_to_type_reads_all_posts(line: str, archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archives)
    assert main([*shlex.split(line), f"--output={tmp_path}/out", "--detector=none", "--threads=1"]) == EXIT_DONE
    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["rows"] > 0
    assert "post" not in summary["rejects"]
    if "--images" in line:
        assert set(summary["images"]) == {"ok"}


def test_the_page_has_a_line_for_each_archive(archives: Path) -> None:
    typed = {Path(word).parts[0] for line in LINES for word in shlex.split(line)[1:2]}
    assert typed == {path.name for path in archives.iterdir()} - {"media"}
