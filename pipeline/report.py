"""What a run did: counted from what is on disk, saved as `run.json`, shown as a table."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import fsspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.checks import Checked
from pipeline.options import RunOptions
from transforms import schema

STAGES = ("fetch", "decode", "detect", "tag", "write")
LIBRARIES = ("apache-beam", "torch", "transformers", "pyarrow", "pillow")


def count_output(output: str) -> dict[str, Any]:
    """Count what the output folder holds, one file at a time.

    Returns:
        `rows`, `blanks`, `lines`, `entities` by type, `images` by status, `rejects` by stage and reason, and `sources`:
        per posts file its lines, rows, blanks and the rejects that cost a row.
    """
    entities: Counter[str] = Counter()
    images: Counter[str] = Counter()
    rejects: dict[str, Counter[str]] = defaultdict(Counter)
    sources: dict[str, Counter[str]] = defaultdict(Counter)
    for file in _parquet_files(f"{output}/annotations"):
        metadata = file.schema_arrow.metadata
        for batch in file.iter_batches(columns=["entities", "images"]):
            entities.update(pc.struct_field(batch["entities"].flatten(), "type").to_pylist())
            images.update(pc.struct_field(batch["images"].flatten(), "status").to_pylist())
        if b"postner.source" in metadata:
            source = sources[metadata[b"postner.source"].decode()]
            source["rows"] += file.metadata.num_rows
            for name in ("lines", "blanks"):
                source[name] += int(metadata[b"postner." + name.encode()])
    for file in _parquet_files(f"{output}/rejects"):
        for batch in file.iter_batches(columns=["stage", "reason", "source"]):
            for reject in batch.to_pylist():
                rejects[reject["stage"]][reject["reason"]] += 1
                if reject["stage"] in ("post", "tag"):
                    sources[reject["source"]]["rejects"] += 1
    totals = {name: sum(source[name] for source in sources.values()) for name in ("lines", "rows", "blanks")}
    by_stage = {stage: dict(reasons.most_common()) for stage, reasons in sorted(rejects.items())}
    per_source = {name: {key: source[key] for key in ("lines", "rows", "rejects", "blanks")} for name, source in sorted(sources.items())}
    return totals | {
        "entities": dict(entities.most_common()),
        "images": dict(images.most_common()),
        "rejects": by_stage,
        "sources": per_source,
    }


def summarise(options: RunOptions, checked: Checked, counters: Counter[str], started: float, startup_seconds: float) -> dict[str, Any]:
    """Everything that `run.json` says."""
    counted = count_output(options.output)
    seconds = time.time() - started
    return {
        "schema_version": schema.VERSION,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(seconds, 2),
        "startup_seconds": round(startup_seconds, 2),
        "posts_per_second": round(counted["rows"] / (seconds - startup_seconds), 2),
        "lines_read": counters["lines"],
        **counted,
        "time_msec": {stage: round(counters[f"time.{stage}_usec"] / 1000) for stage in STAGES},
        "model": checked.model,
        "detector": checked.detector,
        "notes": checked.notes,
        "inputs": {"posts": checked.posts, "shards": checked.shards},
        "options": asdict(options),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def unaccounted(summary: dict[str, Any]) -> list[str]:
    """Posts files whose lines are not all rows, rejects or blanks; `all` where fewer lines are on disk than were read."""
    wrong = [
        name for name, source in summary["sources"].items() if source["lines"] != source["rows"] + source["rejects"] + source["blanks"]
    ]
    return wrong + (["all"] if summary["lines_read"] != summary["lines"] else [])


def save(summary: dict[str, Any], output: str) -> None:
    """Write `run.json`."""
    with fsspec.open(f"{output}/run.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1, ensure_ascii=False)
        file.write("\n")


def table(summary: dict[str, Any]) -> str:
    """The summary that a person reads at the end of a run."""

    def several(counts: dict[str, int]) -> str:
        return "   ".join(f"{name} {amount:,}" for name, amount in counts.items()) or "none"

    rejects = {f"{stage}/{reason}": amount for stage, reasons in summary["rejects"].items() for reason, amount in reasons.items()}
    seconds = {stage: f"{summary['time_msec'][stage] / 1000:.1f}" for stage in STAGES}
    lines = {
        "lines": f"{summary['lines']:,} = {summary['rows']:,} posts annotated + {_lost(summary):,} rejected + {summary['blanks']:,} blank",
        "entities": several(summary["entities"]),
        "images": several(summary["images"]),
        "rejects": several(rejects),
        "time": f"{summary['seconds']:.1f} s, of which {summary['startup_seconds']:.1f} s to start; {summary['posts_per_second']} posts/s",
        "stages": "   ".join(f"{stage} {spent} s" for stage, spent in seconds.items()),
        "model": f"{summary['model']}, detector {summary['detector'] or 'none'}",
        "output": summary["options"]["output"],
    }
    notes = [f"  note      {note}" for note in summary["notes"]]
    return "\n".join([*(f"  {name:<9} {text}" for name, text in lines.items()), *notes])


def _lost(summary: dict[str, Any]) -> int:
    return sum(source["rejects"] for source in summary["sources"].values())


def _parquet_files(folder: str):  # type: ignore[no-untyped-def]
    filesystem, path = fsspec.core.url_to_fs(folder)
    for name in sorted(filesystem.glob(f"{path}/*.parquet")):
        with filesystem.open(name, "rb") as file:
            yield pq.ParquetFile(file)
