"""Everything that fuzzing ever found, again: `make fuzz` looks for more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"


@pytest.mark.parametrize("target", ["lines", "fields", "documents", "tables", "packings", "shards", "pictures"])
def test_no_case_of_the_corpus_breaks_a_promise(target: str) -> None:
    assert any((FUZZ / "corpus" / target).iterdir())
    done = subprocess.run([sys.executable, FUZZ / "fuzz.py", target, "-runs=0"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
