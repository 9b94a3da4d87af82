"""Parse the command, check it, run it, and print a summary."""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, cause_of

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.options import RunOptions

SHOWN = 10


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status. Mistakes of the user cost one sentence, never a traceback."""
    started = time.time()
    from pipeline.options import UsageError, parse  # Beam takes seconds to import

    try:
        options, beam_options = parse(argv)
        status = _run(options, beam_options, started)
        while options.watch and status == EXIT_DONE:
            time.sleep(options.watch)
            options = replace(options, resume=True, overwrite=False)
            status = _run(options, beam_options, time.time(), again=True)
        return status
    except UsageError as error:
        print(f"postner: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("postner: interrupted; all written files are complete: repeat the command with --resume to finish", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(options: RunOptions, beam_options: PipelineOptions, started: float, again: bool = False) -> int:
    """Run once and return the exit status; with `again`, print nothing if nothing is new."""
    from pipeline import manifest, output
    from pipeline.audit import audit
    from pipeline.beam_options import is_local
    from pipeline.checks import check
    from pipeline.inputs import count_lines
    from pipeline.summary import about, summarise, table
    from pipeline.work import Job, do
    from transforms.read_posts import SliceFilter

    inputs = check(options, is_local(beam_options))
    run = manifest.begin(options, inputs, output.prepare(options))
    if again and not run.pending():
        return EXIT_DONE
    try:
        manifest.save(options.output, run, about(options, inputs, started))
        startup_seconds = time.time() - started
        slice_filter = SliceFilter(output.done_slices(options.output))
        counters = do(Job(options, beam_options, pending, inputs.shards, slice_filter)) if (pending := run.pending()) else Counter()
        if counters is None:
            print(f"postner: the job is described, not run; when the engine has run it, use --resume to check {options.output}")
            return EXIT_DONE
        output.complete(options.output)
        lines_of = {
            name: count_lines(name, options.max_line_bytes) if file.lines is None else file.lines for name, file in run.posts.items()
        }
        counted = audit(options.output, lines_of)
        summary = summarise(options, inputs, counted, slice_filter.done, counters, started, startup_seconds)
        manifest.save(options.output, run.with_lines(counted.whole), summary)
    except Exception as error:  # Beam wraps the exceptions of its workers
        cause = cause_of(error)
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        log = output.keep_log(options.output, traceback.format_exc())
        print(
            f"postner: failed: {type(cause).__name__}: {_sentence(cause)} (details: {log}); "
            "all written files are complete: repeat the command with --resume to finish",
            file=sys.stderr,
        )
        return EXIT_FAILED
    with suppress(BrokenPipeError):  # a reader such as head may close the pipe early
        print(table(summary), flush=True)
    for problem in counted.problems[:SHOWN]:
        print(f"postner: {problem}", file=sys.stderr)
    if counted.problems:
        print(f"postner: {len(counted.problems)} problems: repeat the command with --resume to do what is missing", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _sentence(cause: BaseException) -> str:
    """Return the message of an exception in one line; of a long one, such as an engine's, the beginning and the end."""
    message = " ".join(str(cause).split())
    return message if len(message) <= 600 else f"{message[:200]} ... {message[-400:]}"
