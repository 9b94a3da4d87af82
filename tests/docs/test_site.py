"""`make docs`: every link of the docs leads somewhere, and the site loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOADED_FROM_ELSEWHERE = re.compile(
    r"""(?:<(?:script|img)[^>]*src=|<link[^>]*rel="?(?:stylesheet|preconnect|icon)[^>]*href=|url\(|@import\s)\s*["']?(?:https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    return folder


def test_the_pages_are_in_the_order_of_use(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    navigation = page.partition('class="md-nav__list"')[2]
    order = ["archives", "output", "nightly", "deploy", "training", "reference"]
    places = [navigation.index(f'href="{name}.html"') for name in order]
    assert places == sorted(places)
    assert (site / "changelog.html").exists()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in [*site.glob("*.html"), *site.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not LOADED_FROM_ELSEWHERE.search(text), path
