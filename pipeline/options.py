"""Options of a run, each defined once; `python -m pipeline.options` prints the table of README.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archive.images.limits import Limits
from archive.posts.fields.choose import FieldOptions
from archive.posts.fields.presets import PRESETS
from models.inference.devices import DEVICES, usable_cores
from models.inference.options import ModelOptions, detector_or_none
from models.inference.precision import PRECISIONS
from models.pretrained import SHIPPED
from models.vision.text_readers import TEXT_READERS
from pipeline.definitions import UsageError as UsageError
from pipeline.definitions import option, options_of, parser_of, table_of
from pipeline.field_paths import check_paths
from pipeline.help import EPILOG, HELP
from pipeline.unknown_options import refuse_misspelt, refuse_stray

INDEX = "index"
"""Folder of the index in an output."""

LARGEST = 2**40
DAY = 86_400
THE_SHIPPED_ONE = "the shipped one"
THE_PRESETS = "the preset's"


@dataclass(frozen=True)
class RunOptions:
    """What to annotate, with what, and where to."""

    posts: tuple[str, ...] = option(metavar="GLOB", help="posts files: a path, a glob or a folder; may be repeated")
    output: str = option(
        metavar="DIR", help="where to write annotations/, rejects/ and run.json: new or empty, but with `--overwrite` or `--resume`"
    )
    images: tuple[str, ...] = option(
        (),
        metavar="GLOB",
        help="image shards (tar, zip): a path, a glob, `{00..99}`, or a folder of shards or pictures; may be repeated",
    )
    preset: str = option(
        "auto",
        metavar="NAME",
        default_means="the one that fits each file",
        choices="|".join(("auto", *PRESETS)),
        help=f"which fields make a post: {', '.join(f'`{name}`' for name in ('auto', *PRESETS))}",
        changes_rows=True,
    )
    each: str | None = option(
        None, metavar="PATH", default_means=THE_PRESETS, help="where the posts are in a document, such as `messages`", changes_rows=True
    )
    id: str | None = option(
        None,
        metavar="PATH",
        default_means=THE_PRESETS,
        help="field of the id, such as `data.id`; `line` for file and line",
        changes_rows=True,
    )
    text: str | None = option(
        None,
        metavar="PATH",
        default_means=THE_PRESETS,
        help="field of the text; `a,b` is the first that is there, `a+b` joins both by a blank line",
        changes_rows=True,
    )
    images_field: str | None = option(
        None, metavar="PATH", default_means=THE_PRESETS, help="field of the keys of the pictures, such as `media[].url`", changes_rows=True
    )
    alt: str | None = option(
        None,
        metavar="PATH",
        default_means=THE_PRESETS,
        help="field of the descriptions of the pictures, such as `media[].alt`",
        changes_rows=True,
    )
    markup: str | None = option(
        None,
        metavar="KIND",
        default_means=THE_PRESETS,
        choices="plain|escaped|html",
        help="what the text holds: `plain`, `escaped` (`&amp;`) or `html`",
        changes_rows=True,
    )
    where: tuple[str, ...] = option(
        (),
        metavar="CONDITION",
        help="annotate only posts with a field such as `lang=en`, `lang!=en`, `lang` (is there), `!lang`; may be repeated: all hold",
        changes_rows=True,
    )
    limit: int | None = option(
        None,
        metavar="N",
        default_means="all",
        least=1,
        most=LARGEST,
        help="annotate only the first N posts, in the order of the sorted files",
        changes_rows=True,
    )
    index: str | None = option(
        None,
        metavar="DIR",
        default_means="index/ in `--output`",
        help="where the index of the shards is kept; several outputs may share it",
    )
    overwrite: bool = option(False, help="replace what an earlier run wrote to `--output`")
    resume: bool = option(False, help="go on with the run that wrote to `--output`: do what is missing, new input files too")
    watch: float = option(
        0,
        metavar="SECONDS",
        default_means="look once",
        least=0,
        most=DAY,
        help="when done, look for new posts every SECONDS and annotate them too, until interrupted",
    )
    local_workers: int = option(
        1, metavar="N", least=1, help="processes on this machine that share the work, each with its part of the threads"
    )
    model: str = option(
        SHIPPED,
        metavar="DIR",
        default_means=THE_SHIPPED_ONE,
        changes_rows=True,
        help="model bundle: a folder, also on a store, or a Hugging Face hub id",
    )
    detector: str | None = option(
        SHIPPED,
        metavar="NAME",
        default_means=f"{THE_SHIPPED_ONE}, AGPL-3.0",
        changes_rows=True,
        help="ultralytics `.pt` or `.yaml` name, `.onnx` file, or `none`",
    )
    ocr: str = option(
        "none",
        metavar="NAME",
        choices="|".join(("none", *TEXT_READERS)),
        changes_rows=True,
        help=f"reads what is written in pictures, and finds the names in it: `none` or {', '.join(f'`{name}`' for name in TEXT_READERS)}",
    )
    device: str = option("auto", metavar="DEVICE", choices=DEVICES, help="`auto`, `cpu`, `cuda` or `cuda:N`")
    precision: str = option(
        "auto",
        metavar="FORMAT",
        default_means="int8 on a CPU that is fast in it, else bfloat16 or float32",
        choices=PRECISIONS,
        changes_rows=True,
        help="number format of the models: `auto`, `float32`, `bfloat16`, or on a CPU `int8`",
    )
    compile: bool = option(
        False, help="on a GPU, `torch.compile` makes the detector faster, after a minute for each size of batches; it needs a C compiler"
    )
    batch_size: int = option(
        32,
        metavar="N",
        least=1,
        most=LARGEST,
        help="on a GPU, texts of full length (or more short ones) and pictures per call; a CPU runs one picture or 128 subwords at a time",
    )
    threads: int = option(
        0, metavar="N", default_means="one per core", least=0, help="threads of the models, of all local workers together"
    )
    decode_threads: int = option(
        0,
        metavar="N",
        default_means="by the cores and the device",
        least=0,
        help="pictures that are fetched and decoded at the same time, of all local workers together",
    )
    max_reject_share: float = option(
        1,
        metavar="SHARE",
        default_means="any",
        least=0,
        most=1,
        help="exit status 1 if a larger share of the posts in `--output` was rejected, 0 to 1; the rows stay",
    )
    max_missing_share: float = option(
        1,
        metavar="SHARE",
        default_means="any",
        least=0,
        most=1,
        help="exit status 1 if a larger share of the keys of pictures was not found, 0 to 1; the rows stay",
    )
    log_level: str = option(
        "info", metavar="LEVEL", choices="debug|info|warning|error", help="what standard error tells: `debug`, `info`, `warning`, `error`"
    )
    log_format: str = option("text", metavar="FORMAT", choices="text|json", help="`text` or `json`, one object a line")
    metrics: str | None = option(
        None, metavar="FILE", help="local file of metrics in the text format of Prometheus, replaced every few seconds"
    )
    accelerator: str | None = option(
        None,
        metavar="HINT",
        help="GPU that an engine gives the annotating stage alone, such as `type:nvidia-l4;count:1;install-nvidia-driver`",
    )
    min_ram: str | None = option(None, metavar="SIZE", help="memory that an engine gives the annotating stage alone, such as `16GB`")
    max_line_bytes: int = option(
        10 * 2**20, metavar="N", least=1, most=LARGEST, changes_rows=True, help="longer lines of the input are rejected"
    )
    max_image_bytes: int = option(
        Limits.max_image_bytes,
        metavar="N",
        least=1,
        most=LARGEST,
        changes_rows=True,
        help="larger pictures are reported as `too_large`, not decoded",
    )
    max_image_pixels: int = option(
        Limits.max_image_pixels,
        metavar="N",
        least=1,
        most=LARGEST,
        changes_rows=True,
        help="the same by width x height, from the header of the picture",
    )
    decode_timeout_s: float = option(
        Limits.decode_timeout_s,
        metavar="S",
        least=0.001,
        most=DAY,
        changes_rows=True,
        help="a picture that takes longer to decode is given up, as `corrupt`",
    )

    @property
    def models(self) -> ModelOptions:
        """The part that the models need; local workers have their part of this machine's threads."""
        threads = self.threads
        if self.local_workers > 1:
            threads = max(1, (threads or usable_cores()) // self.local_workers)
        ocr = None if self.ocr == "none" else self.ocr
        return ModelOptions(self.model, self.detector, self.device, self.batch_size, threads, ocr, self.precision, self.compile)

    @property
    def fields(self) -> FieldOptions:
        """The part that the reading of posts needs."""
        return FieldOptions(self.preset, self.each, self.id, self.text, self.images_field, self.alt, self.markup)

    @property
    def hints(self) -> dict[str, str]:
        """Beam's resource hints for the annotating stage."""
        return {name: value for name in ("accelerator", "min_ram") if (value := getattr(self, name))}

    @property
    def index_folder(self) -> str:
        """Address of the index of the shards."""
        return self.index or f"{self.output}/{INDEX}"

    @property
    def limits(self) -> Limits:
        """The part that decoding needs."""
        return Limits(self.max_image_bytes, self.max_image_pixels, self.decode_timeout_s)


OPTIONS = options_of(RunOptions)


def parse(argv: Sequence[str]) -> tuple[RunOptions, list[str]]:
    """Our options, and what is left for Beam, which is not imported here: `pipeline.beam_options` takes it.

    Raises:
        UsageError: an option is unknown, lacks its value, or has an impossible one.
    """
    parser = parser_of(OPTIONS, HELP, EPILOG)
    if not {"-h", "--help"} & set(argv):
        refuse_misspelt(argv, [one.name for one in OPTIONS])
    given, rest = parser.parse_known_args(argv)
    refuse_stray(rest)
    values = vars(given)
    values["detector"] = detector_or_none(values["detector"])
    for one in OPTIONS:
        one.check(values[one.name])
    if values["overwrite"] and values["resume"]:
        raise UsageError("--overwrite and --resume: one begins anew, the other goes on; give one of them")
    if values["local_workers"] > usable_cores():
        raise UsageError(f"--local_workers must be from 1 to the {usable_cores()} cores of this machine, not {values['local_workers']}")
    values["output"] = values["output"].rstrip("/") or "/"
    values |= {one.name: tuple(values[one.name]) for one in OPTIONS if one.kind == "several"}
    check_paths(values)
    _check_metrics(values["metrics"])
    return RunOptions(**values), rest


def _check_metrics(path: str | None) -> None:
    """Raise UsageError for a file of metrics that cannot be written."""
    if path and "://" in path:
        raise UsageError(f"--metrics {path} is no local file: give one, which the collector of Prometheus on this machine reads")
    if path and Path(path).is_dir():
        raise UsageError(f"--metrics {path} is a folder: give a file in it")
    if path and not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--metrics {path}: there is no folder {Path(path).parent}, make it first")


if __name__ == "__main__":
    print(table_of(OPTIONS))
