"""Summarise a run, for `run.json` and for the table on the screen."""

from __future__ import annotations

import platform
import time
import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from pipeline.audit import Audit
from pipeline.checks import LoadedModels
from pipeline.options import RunOptions
from transforms.writers import WRITER

STAGES = ("fetch", "decode", "detect", "read", "tag", "write")
LIBRARIES = ("apache-beam", "torch", "transformers", "pyarrow", "pillow")


def summarise(audited: Audit, done_before: Collection[str], counters: Counter[str], started: float, startup_s: float) -> dict[str, Any]:
    """Return the part of `run.json` that is known when a run has ended.

    Args:
        audited: the output folder, counted.
        done_before: slices that an earlier run had finished.
        counters: of this run alone.
        started: when, in seconds since 1970.
        startup_s: seconds until the work began.
    """
    seconds = time.time() - started
    annotated = sum(rows for name, rows in audited.rows.items() if name not in done_before)
    return {
        "state": "failed" if audited.unread or audited.problems else "done",
        "seconds": round(seconds, 2),
        "startup_seconds": round(startup_s, 2),
        "posts_annotated": annotated,
        "posts_per_second": round(annotated / (seconds - startup_s), 2),
        **audited.as_counts(),
        "problems": [*audited.unread, *audited.problems],
        "time_msec": {stage: round(counters[f"time.{stage}_usec"] / 1000) for stage in STAGES},
    }


def about(options: RunOptions, models: LoadedModels, started: float) -> dict[str, Any]:
    """Return the part of `run.json` that is known when a run begins."""
    return {
        "id": new_id(started),
        "state": "running",
        "schema_version": WRITER.version,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "model": models.tagger,
        "detector": models.detector,
        "ocr": models.ocr,
        "precision": models.precision,
        "engines": models.engines,
        "notes": list(models.notes),
        "options": asdict(options),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def new_id(started: float) -> str:
    """Return the id of a run that started then, in seconds since 1970: unique, and sorted by time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(started))}-{uuid.uuid4().hex[:8]}"


def table(summary: dict[str, Any]) -> str:
    """Return the summary that is printed at the end of a run."""

    def several(counts: dict[str, int]) -> str:
        return "   ".join(f"{name} {amount:,}" for name, amount in counts.items()) or "none"

    rejects = {f"{stage}/{reason}": amount for stage, reasons in summary["rejects"].items() for reason, amount in reasons.items()}
    seconds = {stage: f"{summary['time_msec'][stage] / 1000:.1f}" for stage in STAGES}
    blank = f"{summary['blanks']:,} blank"
    if summary["skipped"]:
        blank += f" + {sum(summary['skipped'].values()):,} skipped ({several(summary['skipped'])})"
    lines = {
        "lines": f"{summary['lines']:,} = {summary['rows']:,} posts annotated + {_rejected(summary):,} rejected + {blank}",
        "entities": several(summary["entities"]),
        "images": several(summary["images"]),
        "rejects": several(rejects),
        "time": f"{summary['seconds']:.1f} s, of which {summary['startup_seconds']:.1f} s to start",
        "rate": f"{summary['posts_annotated']:,} posts by this run, {summary['posts_per_second']} a second",
        "stages": "   ".join(f"{stage} {spent} s" for stage, spent in seconds.items()),
        "model": f"{summary['model']}, detector {summary['detector'] or 'none'}, text reader {summary['ocr'] or 'none'}",
        "engines": "   ".join(map(" ".join, summary["engines"].items())) or f"of the workers, precision {summary['precision']}",
        "output": summary["options"]["output"],
    }
    notes = [f"  note      {note}" for note in summary["notes"]]
    return "\n".join([*(f"  {name:<9} {text}" for name, text in lines.items()), *notes])


def _rejected(summary: dict[str, Any]) -> int:
    return sum(source["rejects"] for source in summary["sources"].values())
