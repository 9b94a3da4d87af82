"""NOTICE says what is shipped and required, and make sbom has a component for each requirement."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from deploy.notice import licences, required
from tests.conftest import ROOT

NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
REQUIREMENTS = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def test_every_requirement_is_in_the_notice_with_its_version() -> None:
    for name, version in REQUIREMENTS:
        assert f"  {name} {version}: " in NOTICE, f"{name}: make notice writes NOTICE anew"


def test_agpl_is_said_first() -> None:
    assert NOTICE.index("AGPL-3.0") < NOTICE.index("Apache-2.0")
    agpl = set(re.findall(r"^  (\S+) \S+: .*(?:AGPL|Affero)", NOTICE, re.MULTILINE))
    assert agpl == set(re.findall(r"ultralytics-?\w*", NOTICE.partition("which requirements.txt installs, are AGPL")[0]))


def test_what_a_package_requires_is_followed() -> None:
    found = required("jinja2")
    assert found == {"markupsafe"}
    assert {"aiohttp"} <= required("fsspec", frozenset({"http"})) - required("fsspec")
    [(name, _, licence)] = licences({"markupsafe"})
    assert (name, licence) == ("markupsafe", "BSD-3-Clause")


def test_the_bill_of_materials_has_every_requirement(tmp_path: Path) -> None:
    bill = tmp_path / "sbom.cdx.json"
    arguments = ["--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", str(bill), "requirements.txt"]
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", *arguments], cwd=ROOT, check=True, capture_output=True, timeout=120
    )
    content = json.loads(bill.read_text())
    assert content["bomFormat"] == "CycloneDX"
    assert {(part["name"], part["version"]) for part in content["components"]} == set(REQUIREMENTS)
    target = (ROOT / "Makefile").read_text().partition("\nsbom:")[2].partition("\n\n")[0]
    assert " ".join(arguments[:3]) in target
