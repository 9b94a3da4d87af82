"""Beam's part of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options import pipeline_options
from apache_beam.runners import create_runner

from pipeline.definitions import UsageError

LOCAL_RUNNER = "FnApiRunner"


class _BeamParser(pipeline_options._BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (an option of Beam)")


def parse_beam_options(argv: list[str], others: Sequence[str]) -> pipeline_options.PipelineOptions:
    """Return Beam's options, with the in-process runner made explicit.

    Args:
        argv: what is left of the command line.
        others: names of the options that are not Beam's, to suggest where one is misspelt.

    Raises:
        UsageError: an option is unknown, would lose data or go unread, or the runner is not installed.
    """
    parser = _BeamParser(allow_abbrev=False)
    for kind in pipeline_options.PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    known, unknown = parser.parse_known_args(argv)
    local = known.runner in (None, "DirectRunner", "FnApiRunner")
    if unknown and not unknown[0].startswith("-"):
        raise UsageError(f"unexpected argument {unknown[0]!r}: put a glob in quotes, so that the shell leaves it whole")
    if unknown and local:
        name = unknown[0].split("=")[0]
        names = [f"--{other}" for other in others] + list(parser._option_string_actions)
        close = difflib.get_close_matches(name, names, n=1)
        raise UsageError(f"unknown option {name!r}" + (f", did you mean {close[0]}?" if close else " (see --help)"))
    options = pipeline_options.PipelineOptions(argv)
    if local:
        if known.direct_num_workers != 1 or known.direct_running_mode not in (None, "in_memory"):
            raise UsageError(
                f"--direct_num_workers={known.direct_num_workers} --direct_running_mode={known.direct_running_mode}: "
                "Beam's local runner loses data with more than one worker, give --local_workers instead"
            )
        options.view_as(pipeline_options.StandardOptions).runner = LOCAL_RUNNER
    else:
        options.view_as(pipeline_options.SetupOptions).save_main_session = False  # run_pipeline.py defines nothing
        try:
            create_runner(known.runner)
        except (ImportError, ValueError, AttributeError) as error:
            raise UsageError(f"--runner {known.runner!r} is no runner of Beam that is installed here: {error}") from error
    return options


def only_writes_graph(beam_options: pipeline_options.PipelineOptions) -> bool:
    """Whether the job is to be described and not done, as when a template of Dataflow is launched."""
    described = beam_options.view_as(pipeline_options.GoogleCloudOptions).template_location
    return bool(described) or beam_options.view_as(pipeline_options.TestOptions).dry_run is True


def is_local(beam_options: pipeline_options.PipelineOptions) -> bool:
    """Whether the work is done on this machine."""
    return beam_options.view_as(pipeline_options.StandardOptions).runner == LOCAL_RUNNER
