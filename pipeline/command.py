"""Parse, check, run, say what happened."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.options import RunOptions

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status. Mistakes of the user cost one sentence, never a traceback."""
    started = time.time()
    _quiet()
    from pipeline.options import UsageError, parse  # Beam talks while it is imported

    try:
        options, beam_options = parse(argv)
        return _run(options, beam_options, started)
    except UsageError as error:
        print(f"postner: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("postner: interrupted; what was written so far is whole slices", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(options: RunOptions, beam_options: PipelineOptions, started: float) -> int:
    import apache_beam as beam

    from pipeline import output, report
    from pipeline.checks import check
    from pipeline.graph import build
    from pipeline.progress import Progress, counts_of
    from transforms.counters import LIVE

    checked = check(options)
    output.prepare(options.output, options.overwrite)
    startup_seconds = time.time() - started
    LIVE.clear()
    pipeline = beam.Pipeline(options=beam_options)
    build(pipeline, options, checked.posts, checked.shards)
    try:
        with Progress(LIVE.snapshot):
            result = pipeline.run()
        with Progress(lambda: counts_of(result)):
            result.wait_until_finish()
    except Exception as error:  # the cause is somewhere in a worker; the log has it all
        log = output.keep_log(options.output, traceback.format_exc())
        print(f"postner: failed: {_cause(error)} (details: {log})", file=sys.stderr)
        return EXIT_FAILED
    output.complete(options.output)
    summary = report.summarise(options, checked, counts_of(result), started, startup_seconds)
    report.save(summary, options.output)
    print(report.table(summary))
    lost = report.unaccounted(summary)
    if lost:
        print(f"postner: lines do not add up in {', '.join(lost)}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _cause(error: BaseException) -> str:
    """The first exception of a chain, in one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"


def _quiet() -> None:
    """Keep libraries from talking over the progress line, and from looking for a network that they do not need."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
