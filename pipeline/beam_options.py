"""Beam's part of the command line."""

from __future__ import annotations

import shutil
import socket
import time
from typing import NoReturn

from apache_beam.options import pipeline_options
from apache_beam.runners import create_runner
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer
from apache_beam.transforms.resources import parse_resource_hints

from pipeline.options import RunOptions, UsageError

LOCAL_RUNNER = "FnApiRunner"

ENGINE_S, JOB_SERVER_S, POLL_S = 5.0, 60.0, 0.5
"""How long an engine and a job server, which a pod may start beside the command, are waited for, and how often they are tried."""


class _BeamParser(pipeline_options._BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (an option of Beam)")


def parse_beam_options(argv: list[str], ours: RunOptions) -> pipeline_options.PipelineOptions:
    """Return Beam's options, with the in-process runner made explicit.

    Args:
        argv: what is left of the command line.
        ours: the other options, of which some do not go with every runner.

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
        raise UsageError(f"unknown option {unknown[0].split('=')[0]!r} (see --help)")
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
        if known.runner == "DataflowRunner" and not options.view_as(pipeline_options.GoogleCloudOptions).project:
            raise UsageError(
                "--runner DataflowRunner needs --project, --region and --temp_location gs://...: docs/deploy.md has a whole command"
            )
        if ours.local_workers > 1:
            raise UsageError(f"--local_workers={ours.local_workers} is for runs on this machine, {known.runner} has its own: leave it out")
    try:
        parse_resource_hints(ours.hints)
    except ValueError as error:
        given = " ".join(f"--{name} {value!r}" for name, value in ours.hints.items())
        raise UsageError(f"{given}: {error} Give such as type:nvidia-l4;count:1 and 16GB") from error
    return options


def check_engine(beam_options: pipeline_options.PipelineOptions) -> None:
    """Check the engine, before anything of an earlier run is replaced.

    Raises:
        UsageError: nothing answers at its address, or Beam cannot start its job server for it here.
    """
    _check_address(beam_options)
    flink = beam_options.view_as(pipeline_options.FlinkRunnerOptions)
    has_job_server = beam_options.view_as(pipeline_options.PortableOptions).job_endpoint or flink.flink_submit_uber_jar
    if beam_options.view_as(pipeline_options.StandardOptions).runner == "FlinkRunner" and not has_job_server:
        _check_job_server(beam_options)


def _check_address(beam_options: pipeline_options.PipelineOptions) -> None:
    """Raise UsageError if nothing answers at the address of the engine, or of the job server that is given."""
    portable = beam_options.view_as(pipeline_options.PortableOptions)
    flink = beam_options.view_as(pipeline_options.FlinkRunnerOptions)
    runner = beam_options.view_as(pipeline_options.StandardOptions).runner
    if portable.job_endpoint:
        name, address, wait_s = "--job_endpoint", portable.job_endpoint, portable.job_server_timeout or JOB_SERVER_S
    elif runner == "FlinkRunner":
        name, address, wait_s = "--flink_master", flink.flink_master, ENGINE_S
    else:
        return
    host, _, port = address.rpartition("//")[2].rstrip("/").rpartition(":")
    if not port.isdecimal():  # such as [local], embed, or a name without a port
        return
    end = time.monotonic() + wait_s
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), ENGINE_S).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() > end:
                raise UsageError(f"{name} {address} does not answer ({error}): start the engine, or correct the address") from error
        time.sleep(POLL_S)


def _check_job_server(beam_options: pipeline_options.PipelineOptions) -> None:
    """Raise UsageError if there is no Java, or if Beam has no jar of its job server for Flink and cannot download it."""
    if not shutil.which(beam_options.view_as(pipeline_options.JobServerOptions).job_server_java_launcher):
        raise UsageError("--runner FlinkRunner starts Beam's job server, which needs Java: install it, or give --job_endpoint")
    server = FlinkJarJobServer(beam_options)
    try:
        server.local_jar(server.path_to_jar(), server._jar_cache_dir)
    except (OSError, RuntimeError, ValueError) as error:
        if server._jar:
            raise UsageError(f"--flink_job_server_jar {server._jar} cannot be had: check its path or address") from error
        raise UsageError(
            f"--runner FlinkRunner: Beam cannot download its job server for Flink {server._flink_version}: download the jar where there "
            "is a network and give it as --flink_job_server_jar (docs/air-gapped.md), or give --job_endpoint"
        ) from error


def only_writes_graph(beam_options: pipeline_options.PipelineOptions) -> bool:
    """Whether the job is to be described and not done, as when a template of Dataflow is launched."""
    described = beam_options.view_as(pipeline_options.GoogleCloudOptions).template_location
    return bool(described) or beam_options.view_as(pipeline_options.TestOptions).dry_run is True


def is_local(beam_options: pipeline_options.PipelineOptions) -> bool:
    """Whether the work is done on this machine."""
    return beam_options.view_as(pipeline_options.StandardOptions).runner == LOCAL_RUNNER
