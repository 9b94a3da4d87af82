"""Options of a run, and the command line that fills them."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from apache_beam.options import pipeline_options
from apache_beam.runners import create_runner
from apache_beam.transforms.resources import parse_resource_hints

from archive.images.decode import Limits
from models.inference.devices import usable_cores
from models.loading import ModelOptions
from models.pretrained import SHIPPED

HELP = """\
Annotate posts, read together with their pictures, with named entities, and write Parquet.

  python run_pipeline.py --posts 'archive/posts-*.jsonl.gz' --images 'archive/images-*.tar' --output out/today

Posts are JSONL (plain, .gz, .bz2, .zst), one object a line with `id`, `text` and, if there are pictures, `images`:
keys of members of the image shards (tar, zip, or a folder). Paths may be local or of any store that fsspec knows.
"""

EPILOG = """\
All other options are Beam's and go to it unchanged, such as --runner=FlinkRunner; without --runner the work runs here,
in one process or in --local_workers. Exit status: 0 done, 1 failed, 2 a mistake in the command, told in one sentence.
"""


LOCAL_RUNNER = "FnApiRunner"
LARGEST = 2**40


class UsageError(ValueError):
    """A mistake of the user; the message is one sentence that names the value and the cure."""


@dataclass(frozen=True)
class RunOptions:
    """What to annotate, with what, and where to.

    Attributes:
        posts: file, glob or folder of JSONL posts.
        images: glob of tar or zip shards, or a folder of pictures; None where the posts have none.
        output: folder of the output.
        overwrite: whether what is in the output folder is replaced.
        resume: whether what is missing in the output folder is added to it.
        watch: seconds after which to look for new posts again, and so on until interrupted; 0 to look once.
        local_workers: processes on this machine that share the work.
        model: folder or address of the model bundle, or `shipped`.
        detector: what to detect objects with, or `shipped`; None for nothing.
        device: of the models: `auto`, `cpu`, `cuda`.
        batch_size: pictures, or windows of text, per call of a model.
        threads: of the models' arithmetic, of all local workers together; 0 for one per core.
        accelerator: GPU that an engine is to give the annotating stage, as Beam's resource hint.
        min_ram: memory that an engine is to give the annotating stage, as Beam's resource hint.
        max_line_bytes: longer lines of the input become rejects.
        max_image_bytes: larger pictures are reported as `too_large` and not decoded.
        max_image_pixels: the same by pixels, from the picture's header.
        decode_timeout_s: a picture that takes longer to decode is given up, as `corrupt`.
    """

    posts: str
    output: str
    images: str | None = None
    overwrite: bool = False
    resume: bool = False
    watch: float = 0
    local_workers: int = 1
    model: str = SHIPPED
    detector: str | None = SHIPPED
    device: str = "auto"
    batch_size: int = 32
    threads: int = 0
    accelerator: str | None = None
    min_ram: str | None = None
    max_line_bytes: int = 10 * 2**20
    max_image_bytes: int = Limits.max_image_bytes
    max_image_pixels: int = Limits.max_image_pixels
    decode_timeout_s: float = Limits.decode_timeout_s

    @property
    def models(self) -> ModelOptions:
        """The part that the models need; local workers have their part of this machine's threads."""
        threads = self.threads
        if self.local_workers > 1:
            threads = max(1, (threads or usable_cores()) // self.local_workers)
        return ModelOptions(self.model, self.detector, self.device, self.batch_size, threads)

    @property
    def hints(self) -> dict[str, str]:
        """Beam's resource hints for the annotating stage."""
        return {name: value for name in ("accelerator", "min_ram") if (value := getattr(self, name))}

    @property
    def limits(self) -> Limits:
        """The part that decoding needs."""
        return Limits(self.max_image_bytes, self.max_image_pixels, self.decode_timeout_s)


def parse(argv: Sequence[str]) -> tuple[RunOptions, pipeline_options.PipelineOptions]:
    """Our options and Beam's.

    Raises:
        UsageError: an option is unknown, lacks its value, or has an impossible one.
    """
    given, rest = option_parser().parse_known_args(argv)
    values = vars(given)
    if values["detector"] is not None and values["detector"].lower() == "none":
        values["detector"] = None
    for name in ("posts", "images", "output", "model", "detector", "device"):
        if values[name] is not None and not values[name].strip():
            raise UsageError(f"--{name} is empty: give a value, or leave it out")
    for name in ("batch_size", "max_line_bytes", "max_image_bytes", "max_image_pixels"):
        if not 1 <= values[name] <= LARGEST:
            raise UsageError(f"--{name} must be from 1 to {LARGEST}, not {values[name]}")
    if values["threads"] < 0:
        raise UsageError(f"--threads must be 0 (all cores) or more, not {values['threads']}")
    if not 0 < values["decode_timeout_s"] <= 86_400:
        raise UsageError(f"--decode_timeout_s must be more than 0 and at most a day, 86400, not {values['decode_timeout_s']}")
    if values["overwrite"] and values["resume"]:
        raise UsageError("--overwrite and --resume: one begins anew, the other goes on; give one of them")
    if not 0 <= values["watch"] <= 86_400:
        raise UsageError(f"--watch must be 0 (look once) or seconds up to a day, 86400, not {values['watch']}")
    values["output"] = values["output"].rstrip("/") or "/"
    beam_options = _beam_options(rest)
    if values["local_workers"] > 1 and not is_local(beam_options):
        runner = beam_options.view_as(pipeline_options.StandardOptions).runner
        raise UsageError(f"--local_workers={values['local_workers']} is for runs on this machine, {runner} has its own: leave it out")
    if not 1 <= values["local_workers"] <= usable_cores():
        raise UsageError(f"--local_workers must be from 1 to the {usable_cores()} cores of this machine, not {values['local_workers']}")
    options = RunOptions(**values)
    try:
        parse_resource_hints(options.hints)
    except ValueError as error:
        raise UsageError(f"--accelerator {options.accelerator!r} --min_ram {options.min_ram!r}: {error}") from error
    return options, beam_options


def only_writes_graph(beam_options: pipeline_options.PipelineOptions) -> bool:
    """Whether the job is to be described and not done, as when a template of Dataflow is launched."""
    described = beam_options.view_as(pipeline_options.GoogleCloudOptions).template_location
    return bool(described) or beam_options.view_as(pipeline_options.TestOptions).dry_run is True


def is_local(beam_options: pipeline_options.PipelineOptions) -> bool:
    """Whether the work is done on this machine."""
    return beam_options.view_as(pipeline_options.StandardOptions).runner == LOCAL_RUNNER


def _true_or_false(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


FLAG: dict[str, Any] = {"nargs": "?", "const": True, "default": False, "type": _true_or_false, "metavar": "true"}
"""An option without a value; templates of Dataflow can give options only with one."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")


class _BeamParser(pipeline_options._BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (an option of Beam)")


def option_parser() -> argparse.ArgumentParser:
    """The command line of `RunOptions`."""
    default = {field.name: field.default for field in fields(RunOptions)}
    parser = _Parser(
        prog="run_pipeline.py", description=HELP, epilog=EPILOG, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--posts", required=True, metavar="GLOB", help="JSONL files of posts: a path, a glob or a folder")
    add("--images", metavar="GLOB", help="image shards (.tar, .zip) or a folder of pictures; leave out if the posts have none")
    add(
        "--output",
        required=True,
        metavar="DIR",
        help="where to write annotations/, rejects/ and run.json; new or empty, or see the next two",
    )
    add("--overwrite", **FLAG, help="replace what an earlier run wrote to --output")
    add(
        "--resume",
        **FLAG,
        help="go on with the run that wrote to --output: do what is missing, new input files too",
    )
    add(
        "--watch",
        type=float,
        default=0,
        metavar="SECONDS",
        help="when done, look for new posts every SECONDS and annotate them too, until interrupted (default: look once)",
    )
    add("--model", default=SHIPPED, metavar="DIR", help="model bundle (default: the shipped one)")
    add(
        "--detector",
        default=SHIPPED,
        metavar="NAME",
        help="ultralytics .pt or .yaml name, .onnx file, or 'none' (default: the shipped one, AGPL-3.0)",
    )
    add("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or cuda:N (default: auto)")
    add(
        "--batch_size",
        type=int,
        default=default["batch_size"],
        metavar="N",
        help="pictures, or texts, per model call; changes no result (default: 32)",
    )
    add("--threads", type=int, default=0, metavar="N", help="threads of the models (default: one per core)")
    add("--accelerator", metavar="HINT", help="GPU for the annotating stage alone, such as type:nvidia-l4;count:1;install-nvidia-driver")
    add("--min_ram", metavar="SIZE", help="memory for the annotating stage alone, such as 16GB")
    add(
        "--local_workers",
        type=int,
        default=1,
        metavar="N",
        help="processes on this machine that share the work, each with its part of the threads (default: 1)",
    )
    add("--max_line_bytes", type=int, default=default["max_line_bytes"], metavar="N", help="longer lines are rejected (default: 10 MiB)")
    add(
        "--max_image_bytes",
        type=int,
        default=default["max_image_bytes"],
        metavar="N",
        help="larger pictures are not decoded (default: 20 MiB)",
    )
    add(
        "--max_image_pixels",
        type=int,
        default=default["max_image_pixels"],
        metavar="N",
        help="the same by width x height (default: 100 million)",
    )
    add(
        "--decode_timeout_s",
        type=float,
        default=default["decode_timeout_s"],
        metavar="S",
        help="a picture that takes longer to decode is given up (default: 60)",
    )
    return parser


def _beam_options(argv: list[str]) -> pipeline_options.PipelineOptions:
    """Beam's options, with the in-process runner made explicit and what would lose data or go unread refused."""
    parser = _BeamParser(allow_abbrev=False)
    for kind in pipeline_options.PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    known, unknown = parser.parse_known_args(argv)
    local = known.runner in (None, "DirectRunner", "FnApiRunner")
    if unknown and not unknown[0].startswith("-"):
        raise UsageError(f"unexpected argument {unknown[0]!r}: put a glob in quotes, so that the shell leaves it whole")
    if unknown and local:
        name = unknown[0].split("=")[0]
        options = [f"--{field.name}" for field in fields(RunOptions)] + list(parser._option_string_actions)
        close = difflib.get_close_matches(name, options, n=1)
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
