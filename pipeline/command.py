"""Parse the command, check it, run it, and print a summary."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_USAGE, Terminated, cause_of, listen_for_sigterm

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.checks import LoadedModels
    from pipeline.inputs import FoundInputs
    from pipeline.manifest import RunManifest
    from pipeline.options import RunOptions
    from pipeline.progress import Progress

SHOWN = 10
"""How many problems are printed; run.json has all."""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status. Mistakes of the user cost one sentence, never a traceback."""
    started = time.time()
    if threading.current_thread() is threading.main_thread():
        listen_for_sigterm()
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
    except (KeyboardInterrupt, Terminated) as stop:
        print("postner: interrupted; all written files are complete: repeat the command with --resume to finish", file=sys.stderr)
        return EXIT_TERMINATED if isinstance(stop, Terminated) else EXIT_INTERRUPTED


def _run(options: RunOptions, beam_options: PipelineOptions, started: float, again: bool = False) -> int:
    """Run once and return the exit status; with `again`, print nothing if nothing is new."""
    from pipeline import manifest, output
    from pipeline.beam_options import is_local
    from pipeline.checks import check_output_holds_no_input, load_models
    from pipeline.inputs import choose_fields, find_inputs
    from pipeline.lease import lease
    from pipeline.progress import Progress

    with Progress() as progress:
        progress.now("finding the files")
        before = output.earlier_run(options)
        inputs = find_inputs(options, before.versions() if before else None)
        check_output_holds_no_input(options.output, inputs.posts + inputs.shards)
        progress.now(f"reading the first records of {len(inputs.posts):,} files")
        fields = choose_fields((name for name in inputs.posts if before is None or name not in before.posts), options)
        progress.now("loading the models")
        models = load_models(options, is_local(beam_options))
        with lease(options.output):
            before = output.earlier_run(options)  # another run may have ended since
            progress.now("comparing the files with those of earlier runs")
            run = manifest.begin(options, inputs, fields, models, before)
            if again and not run.pending():
                return EXIT_DONE
            output.prepare(options.output, resumed=before is not None)
            try:
                return _annotate(options, beam_options, inputs, models, run, progress, started)
            except Exception as error:  # Beam wraps the exceptions of its workers
                cause = cause_of(error)
                if isinstance(cause, KeyboardInterrupt | Terminated):
                    raise cause from None
                log = output.keep_log(options.output, traceback.format_exc())
                print(
                    f"postner: failed: {type(cause).__name__}: {_sentence(cause)} (details: {log}); "
                    "all written files are complete: repeat the command with --resume to finish",
                    file=sys.stderr,
                )
                return EXIT_FAILED


def _annotate(
    options: RunOptions,
    beam_options: PipelineOptions,
    inputs: FoundInputs,
    models: LoadedModels,
    run: RunManifest,
    progress: Progress,
    started: float,
) -> int:
    """Annotate what is pending, count the output, and print the summary."""
    from pipeline import output, summary
    from pipeline.audit import audit_new
    from pipeline.graph import Work
    from pipeline.inputs import LineCount
    from pipeline.notes import notes
    from pipeline.run_record import RunRecord
    from pipeline.work import Job, do, examples
    from transforms.read_posts import SliceFilter

    about = summary.about(options, models, started)
    with RunRecord(options.output, run, about) as record:
        startup_s = time.time() - started
        slice_filter = SliceFilter(output.done_slices(options.output))
        lines = LineCount(run.posts, options.max_line_bytes)
        work = Work(run.pending(), inputs.shards, inputs.versions, slice_filter, about["id"], options.index_folder)
        counters = do(Job(options, beam_options, work), progress, lines.total)
        if counters is None:
            print(f"postner: the job is described, not run; when the engine has run it, use --resume to check {options.output}")
            return EXIT_DONE
        progress.now("counting the output")
        output.complete(options.output)
        audited = audit_new(options.output, lines.wait(), {name: file.lines for name, file in run.posts.items()})
        ended = summary.summarise(audited, slice_filter.done, counters, started, startup_s)
        ended["notes"] = [*models.notes, *notes(inputs, run, audited, lambda: examples(work, options.output))]
        record.end(run.with_lines(audited.whole), ended)
    with suppress(BrokenPipeError):  # a reader such as head may close the pipe early
        print(summary.table(about | ended), flush=True)
    for problem in [*audited.unread, *audited.problems][:SHOWN]:
        print(f"postner: {problem}", file=sys.stderr)
    if audited.problems:
        print(f"postner: {len(audited.problems)} problems: repeat the command with --resume to do what is missing", file=sys.stderr)
    return EXIT_FAILED if audited.unread or audited.problems else EXIT_DONE


def _sentence(cause: BaseException) -> str:
    """Return the message of an exception in one line; of a long one, such as an engine's, the beginning and the end."""
    message = " ".join(str(cause).split())
    return message if len(message) <= 600 else f"{message[:200]} ... {message[-400:]}"
