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
        print(f"postner: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("postner: interrupted; the files that are there are whole, run again with --overwrite", file=sys.stderr)
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
        output.complete(options.output)
        summary = report.summarise(options, checked, counts_of(result), started, startup_seconds)
        report.save(summary, options.output)
    except Exception as error:  # Beam wraps whatever happened in a worker
        cause = _cause(error)
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        log = output.keep_log(options.output, traceback.format_exc())
        print(f"postner: failed: {type(cause).__name__}: {' '.join(str(cause).split())[:500]} (details: {log})", file=sys.stderr)
        return EXIT_FAILED
    print(report.table(summary))
    lost = report.unaccounted(summary)
    if lost:
        print(f"postner: lines do not add up in {', '.join(lost)}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _cause(error: BaseException) -> BaseException:
    """The first exception of a chain."""
    while earlier := error.__cause__ or error.__context__:
        error = earlier
    return error


def _quiet() -> None:
    """Keep libraries from talking over the progress line, and from looking for a network that they do not need."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.basicConfig(level=logging.CRITICAL)  # Beam logs the traceback of a failure; ours goes to error.log
