"""A run loads early what the last one like it used, and is right whatever it finds."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.inference import early
from models.inference.compiled_cache import CompiledCache
from models.inference.engine import Engine

openvino = pytest.importorskip("openvino")

INPUT = np.arange(3, dtype=np.float32)[None]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    new_process(monkeypatch)


def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process loaded and used."""
    for name in ("_WAITING", "_UNDER_WAY", "_USED"):
        monkeypatch.setattr(early, name, {})


def convert() -> Any:
    torch.manual_seed(0)
    return openvino.convert_model(nn.Linear(3, 4), example_input=torch.zeros(1, 3))


def run() -> np.ndarray:
    return Engine("linear", convert, "float32", 1)([INPUT])[0].copy()


def begin_and_wait(name: str) -> None:
    early.begin(name)
    for thread in threading.enumerate():
        if thread.name == "early":
            thread.join(30)


def test_the_next_run_takes_what_is_loaded_already(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run()
    early.remember("a")
    new_process(monkeypatch)
    begin_and_wait("b")
    assert early._UNDER_WAY == {}
    begin_and_wait("a")
    [loaded] = early._UNDER_WAY.values()
    assert loaded.result() is not None
    monkeypatch.setattr(CompiledCache, "read", lambda self, path: None)  # there is nothing else to take it from
    monkeypatch.setitem(globals(), "convert", lambda: pytest.fail("converted again"))
    assert np.array_equal(run(), first)
    assert early._UNDER_WAY == {}


def test_what_is_not_begun_is_left_to_the_one_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    early.remember("a")
    [(path, settings)] = early._USED.items()
    new_process(monkeypatch)
    monkeypatch.setitem(early._WAITING, path, settings)
    assert early.take(path, settings) is None
    assert early._WAITING == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'{"../other": 7}', b'{"gone.bin": {}}'])
def test_any_list_is_only_a_hint(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    first = run()
    cache = CompiledCache()
    cache.write(early._list_of("a", cache), content)
    new_process(monkeypatch)
    begin_and_wait("a")
    assert np.array_equal(run(), first)


def test_the_list_names_only_what_was_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CompiledCache()
    run()
    early.remember("a")
    listed = json.loads(cache.read(early._list_of("a", cache)) or b"")
    assert all((cache.folder / name).is_file() for name in listed)
    new_process(monkeypatch)
    early.remember("a")  # a run that needed no network
    assert json.loads(cache.read(early._list_of("a", cache)) or b"") == {}
