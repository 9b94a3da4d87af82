"""Temporary folders: none is left for longer than until the next run, however a process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archive.scratch import PREFIX, shared_temporary_folder, temporary_files_in_scratch
from tests.conftest import ROOT

SCRIPT = """
import tempfile
from archive.scratch import temporary_files_in_scratch
with temporary_files_in_scratch():
    print(tempfile.mkdtemp(), flush=True)
"""


@contextmanager
def process(folder: Path, then: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    """Start a process that uses its scratch folder below `folder`; give it, and what it created there."""
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT + then], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout
        yield started, Path(started.stdout.readline().strip())


def test_the_folder_goes_with_its_process(tmp_path: Path) -> None:
    with process(tmp_path, "") as (_, created):
        assert created.parent.parent == tmp_path
    assert [*tmp_path.iterdir()] == []


def test_what_a_killed_process_left_goes_with_the_next_one_and_nothing_else(tmp_path: Path) -> None:
    not_ours = tmp_path / "postner-b2vtzos8"
    not_ours.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(not_ours)
    with process(tmp_path, "input()") as (living, kept), process(tmp_path, "input()") as (killed, left):
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        with process(tmp_path, "") as (other, _):
            other.wait()
        assert kept.exists()
        assert not left.parent.exists()
        assert not_ours.exists()
        living.communicate("\n")
    assert {path.name for path in tmp_path.iterdir()} == {not_ours.name, f"{PREFIX}link"}


def test_the_shared_folder_stays_what_it_is() -> None:
    before = Path(tempfile.gettempdir())
    with temporary_files_in_scratch():
        assert shared_temporary_folder() == before
        assert Path(tempfile.gettempdir()).parent == before
    assert Path(tempfile.gettempdir()) == before
