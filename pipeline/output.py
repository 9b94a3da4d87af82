"""Prepare the output folder (new, emptied or resumed), and complete it at the end."""

from __future__ import annotations

import posixpath
import tempfile

from archive.stores import resolve
from pipeline.manifest import FILE, RunManifest, load
from pipeline.options import RunOptions, UsageError
from transforms.writers import WRITER
from transforms.writers.whole_file import PARTIAL, whole_file
from transforms.writers.writer import Folder

FOLDERS: tuple[Folder, ...] = ("annotations", "rejects")
LOG = "error.log"
REPORT = "report.html"  # of pipeline.report
OURS = {*FOLDERS, FILE, LOG, REPORT}


def prepare(options: RunOptions) -> RunManifest | None:
    """Make the output folder ready: new, emptied, or as an earlier run left it. Returns the manifest of that run.

    Raises:
        UsageError: it holds something and neither `overwrite` nor `resume` is given, or holds what no run created, or
            cannot be written, or holds no run that could be resumed.
    """
    output = options.output
    before = None
    try:
        filesystem, path = resolve(output)
        if filesystem.isfile(path):
            raise UsageError(f"--output {output} is a file: give a folder that is new or empty")
        found = names_in(output)
        if options.resume and (FILE in found or done_slices(output)):
            before, _ = load(output)
            _remove_leftovers(output)
        elif found:
            _empty(output, found, options)
        for folder in FOLDERS:
            filesystem.makedirs(f"{path}/{folder}", exist_ok=True)
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output} cannot be written: {error}") from error
    return before


def names_in(folder: str) -> list[str]:
    """Return the sorted names in a folder; none if there is no such folder."""
    filesystem, path = resolve(folder)
    filesystem.invalidate_cache()
    try:
        return sorted(posixpath.basename(entry.rstrip("/")) for entry in filesystem.ls(path, detail=False))
    except FileNotFoundError:
        return []


def done_slices(output: str) -> frozenset[str]:
    """Return the names of the slices whose output exists."""
    return frozenset(name.removesuffix(WRITER.suffix) for name in names_in(f"{output}/annotations") if name.endswith(WRITER.suffix))


def _remove_leftovers(output: str) -> None:
    """Remove partial files of an interrupted run, and the log of a failed one."""
    for folder in (output, *(f"{output}/{name}" for name in FOLDERS)):
        for name in names_in(folder):
            if name.endswith(PARTIAL) or name == LOG:
                filesystem, path = resolve(f"{folder}/{name}")
                filesystem.rm(path)


def _empty(output: str, found: list[str], options: RunOptions) -> None:
    if not options.overwrite and not options.resume:
        raise UsageError(
            f"--output {output} is not empty: give a new folder, --resume to finish what an earlier run began there, "
            "or --overwrite to replace it"
        )
    strangers = [name for name in found if name not in OURS and not name.endswith(PARTIAL)]
    for folder in FOLDERS:
        inside = names_in(f"{output}/{folder}") if folder in found else []
        strangers += [f"{folder}/{name}" for name in inside if FILE not in found or not name.endswith((WRITER.suffix, PARTIAL))]
    if strangers:
        raise UsageError(f"--output {output} holds {strangers[0]!r}, which no run created: --overwrite replaces only output of runs")
    for name in sorted(found, key=lambda name: name == FILE):  # run.json last: as long as it is there, the rest can be resumed
        filesystem, path = resolve(f"{output}/{name}")
        filesystem.rm(path, recursive=True)


def complete(output: str) -> None:
    """Write an empty file to a folder without files, so that every folder is a readable dataset."""
    for folder in FOLDERS:
        if not any(name.endswith(WRITER.suffix) for name in names_in(f"{output}/{folder}")):
            WRITER.write(folder, [], f"{output}/{folder}/empty{WRITER.suffix}")


def keep_log(output: str, text: str) -> str:
    """Write `error.log` to the output folder or, if that is full, to a temporary one. Returns its path."""
    for folder in (output, tempfile.mkdtemp(prefix="postner-")):
        try:
            with whole_file(f"{folder}/{LOG}") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError:
            continue
        return f"{folder}/{LOG}"
    return "nowhere, no disk takes them"
