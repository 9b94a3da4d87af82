"""Run the whole command and measure it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process_tree import measure


@dataclass(frozen=True, slots=True)
class CommandRun:
    """What a run of `run_pipeline.py` took.

    Attributes:
        work_s: from the first byte of the first post to the last row on disk, counted.
        start_s: all other seconds of its process: loading libraries and models, and ending.
        first_row_s: from the start of its process to the first rows on disk.
        peak_bytes: resident memory of all its processes together.
        stages_s: seconds of each stage, from `run.json`. Decoding runs beside the others.
    """

    work_s: float
    start_s: float
    first_row_s: float
    peak_bytes: int
    stages_s: dict[str, float]


def run_command(arguments: Sequence[str], output: Path) -> CommandRun:
    """Run the command with arguments into a folder that is not there yet. Raises ProgramError."""

    def has_rows() -> bool:
        return any(output.glob("annotations/*.parquet"))

    measured = measure(["run_pipeline.py", *arguments, f"--output={output}"], event=has_rows)
    summary = json.loads((output / "run.json").read_text())
    work_s = summary["seconds"] - summary["startup_seconds"]
    stages = {stage: msec / 1000 for stage, msec in summary["time_msec"].items()}
    return CommandRun(work_s, measured.seconds - work_s, measured.event_s, measured.peak_bytes, stages)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median of values, with the least and the largest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
