"""Everything that fuzzing ever found, again: `make fuzz` looks for more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"

LIMITS = ["-rss_limit_mb=0", "-malloc_limit_mb=2048"]
"""Linux counts the memory of the process that runs the tests as memory that its child once had."""


@pytest.mark.parametrize("target", ["lines", "fields", "documents", "tables", "packings", "shards", "pictures"])
def test_no_case_of_the_corpus_breaks_a_promise(target: str) -> None:
    assert any((FUZZ / "corpus" / target).iterdir())
    command = [sys.executable, FUZZ / "fuzz.py", target, "-runs=0", *LIMITS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
