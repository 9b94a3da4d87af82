"""Parse the command, check it, run it, and print a summary."""

from __future__ import annotations

import gc
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from archive.credentials import store_problem, store_problems_as
from archive.scratch import temporary_files_in_scratch
from pipeline import logs
from pipeline.logs import LOG
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
    gc.disable()  # until the models are loaded: what imports create is no garbage, and looking for it takes a fifth of the start
    if threading.current_thread() is threading.main_thread():
        listen_for_sigterm()
    logs.configure(kind=logs.asked_kind(argv))
    from pipeline.options import UsageError, parse

    try:
        options, rest = parse(argv)
        logs.configure(options.log_level, options.log_format)
        with store_problems_as(UsageError):
            status = _run(options, rest, started)
        while options.watch and status == EXIT_DONE:
            time.sleep(options.watch)
            options = replace(options, resume=True, overwrite=False)
            with store_problems_as(UsageError):
                status = _run(options, rest, time.time(), again=True)
        return status
    except UsageError as error:
        LOG.error("%s", " ".join(str(error).split()))
        return EXIT_USAGE
    except (KeyboardInterrupt, Terminated) as stop:
        LOG.error("interrupted; all written files are complete: repeat the command with --resume to finish")
        return EXIT_TERMINATED if isinstance(stop, Terminated) else EXIT_INTERRUPTED
    finally:
        gc.unfreeze()
        gc.enable()


def _run(options: RunOptions, rest: list[str], started: float, again: bool = False) -> int:
    """Run once and return the exit status; with `again`, print nothing if nothing is new.

    What takes seconds to import comes after the mistakes that can be told without it.
    """
    from models.inference import early
    from pipeline import manifest, output
    from pipeline.inputs import choose_fields, find_inputs
    from pipeline.lease import lease
    from pipeline.limit import first_posts
    from pipeline.progress import Progress

    with Progress() as progress, temporary_files_in_scratch():
        progress.now("finding the files")
        before = output.earlier_run(options) if options.resume else None
        inputs = find_inputs(options, before.versions() if before else None)
        output.check_output_holds_no_input(options.output, inputs.posts + inputs.shards)
        before = before or output.earlier_run(options)
        progress.now(f"reading the first records of {len(inputs.posts):,} files")
        inputs, first = choose_fields(inputs, options, before.posts if before else ())
        fields = {name: records.fields for name, records in first.items()}
        if options.limit:
            inputs, fields = first_posts(inputs, fields, options, before)
        progress.now("loading Beam")
        like_this = repr((options.models, bool(options.images), options.local_workers, rest))
        if not again:
            early.begin(like_this)
        from pipeline.beam_options import check_engine, is_local, parse_beam_options

        beam_options = parse_beam_options(rest, options)
        progress.now("loading the models")
        from pipeline.checks import load_models

        models = load_models(options, is_local(beam_options))
        if not again:
            gc.freeze()
            gc.enable()
        check_engine(beam_options)
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
                why = store_problem(error) or f"{type(cause).__name__}: {_sentence(cause)}"
                LOG.error("failed: %s (details: %s); all written files are complete: repeat the command with --resume to finish", why, log)
                return EXIT_FAILED
            finally:
                early.remember(like_this)


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
    from pipeline.metrics import MetricsFile
    from pipeline.notes import notes
    from pipeline.run_record import RunRecord
    from pipeline.shares import too_large_shares
    from pipeline.work import Job, do, examples
    from transforms.read_posts import SliceFilter

    about = summary.about(options, models, started)
    logs.configure(options.log_level, options.log_format, about["id"])
    LOG.debug("run %s begins, %s posts files to read", about["id"], len(run.pending()))
    with ExitStack() as stack:
        metrics = stack.enter_context(MetricsFile(options.metrics, progress.counts, about["id"], started))
        record = stack.enter_context(RunRecord(options.output, run, about))
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
        audited.unread += too_large_shares(audited, options)
        ended = summary.summarise(audited, slice_filter.done, counters, started, startup_s)
        ended["notes"] = [*models.notes, *notes(inputs, run, audited, lambda: examples(work, options.output))]
        record.end(run.with_lines(audited.whole), ended)
        metrics.end(ended["state"], counters)
    LOG.debug("run %s is %s: %s rows", about["id"], ended["state"], ended["rows"])
    with suppress(BrokenPipeError):  # a reader such as head may close the pipe early
        print(summary.table(about | ended), flush=True)
    for problem in [*audited.unread, *audited.problems][:SHOWN]:
        LOG.error("%s", problem)
    if audited.problems:
        LOG.error("%s problems: repeat the command with --resume to do what is missing", len(audited.problems))
    return EXIT_FAILED if audited.unread or audited.problems else EXIT_DONE


def _sentence(cause: BaseException) -> str:
    """Return the message of an exception in one line; of a long one, such as an engine's, the beginning and the end."""
    message = " ".join(str(cause).split())
    return message if len(message) <= 600 else f"{message[:200]} ... {message[-400:]}"
