"""The metrics file: what Prometheus' own parser reads from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import metrics as module
from pipeline.command import main
from pipeline.metrics import MetricsFile
from pipeline.process import EXIT_DONE, Terminated

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(path: Path) -> Samples:
    families = text_string_to_metric_families(path.read_text())
    return {(sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples}


def state(found: Samples) -> list[str]:
    return [labels[0] for (name, labels), value in found.items() if name == "postner_state" and value]


def test_a_run_writes_what_it_did(tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    posts = posts_file({"id": 1, "text": "Anna in Paris", "images": ["a.jpg"]}, {"id": 2, "text": "b", "lang": "es"}, b"{", b"")
    path = tmp_path / "postner.prom"
    options = [f"--posts={posts}", f"--output={tmp_path}/out", "--detector=none", "--threads=1", f"--metrics={path}", "--where=!lang"]
    assert main(options) == EXIT_DONE
    found = samples(path)
    expected = {"lines": 4, "blanks": 1, "posts": 1, "tagged": 1, "rows": 1, "pictures": 0}
    assert {name: found[f"postner_{name}_total", ()] for name in expected} == expected
    assert found["postner_rejects_total", ("not_json", "post")] == found["postner_images_total", ("missing",)] == 1
    assert found["postner_skipped_total", ("where",)] == 1
    assert found["postner_stage_seconds_total", ("tag",)] > 0
    assert state(found) == ["done"]
    assert time.time() - 100 < found["postner_start_time_seconds", ()] <= found["postner_heartbeat_time_seconds", ()] <= time.time()


def test_it_is_rewritten_while_the_run_works_and_when_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    path = tmp_path / "postner.prom"
    counts: Counter[str] = Counter()
    with suppress(Terminated), MetricsFile(str(path), lambda: counts, "run", 0.0):
        assert state(samples(path)) == ["running"]
        counts["rows"] = 7
        end = time.monotonic() + 10
        while samples(path)["postner_rows_total", ()] != 7:
            assert time.monotonic() < end
        raise Terminated
    assert state(samples(path)) == ["interrupted"]
    assert [file.name for file in tmp_path.iterdir()] == ["postner.prom"]
