"""Prepare the output folder (new, emptied or resumed), and complete it at the end."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterable

from archive.images.index import SUFFIX
from archive.scratch import shared_temporary_folder
from archive.stores import resolve
from archive.whole_file import PARTIAL, whole_file
from pipeline.lease import LOCK
from pipeline.manifest import FILE, RunManifest, load
from pipeline.options import INDEX, RunOptions, UsageError
from transforms.writers import WRITER
from transforms.writers.writer import Folder

FOLDERS: tuple[Folder, ...] = ("annotations", "rejects")
LOG = "error.log"
RUNS = "runs"
REPORT = "report.html"  # of pipeline.report
OURS = {*FOLDERS, FILE, LOG, RUNS, INDEX, REPORT}


def earlier_run(options: RunOptions) -> RunManifest | None:
    """Return the manifest of the run that is resumed, or None. Changes nothing.

    Raises:
        UsageError: the folder holds something and neither `overwrite` nor `resume` is given, or holds what no run
            created, or holds no run that could be resumed.
    """
    output = options.output
    try:
        filesystem, path = resolve(output)
        if filesystem.isfile(path):
            raise UsageError(f"--output {output} is a file: give a folder that is new or empty")
        _check_index(options)
        found = [name for name in names_in(output) if not name.startswith(LOCK)]
        if options.resume and (FILE in found or done_slices(output)):
            return load(output)[0]
        if found:
            _refuse_strangers(output, found, options)
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output} cannot be written: {error}") from error
    return None


def _check_index(options: RunOptions) -> None:
    if options.index:
        try:
            filesystem, path = resolve(options.index)
        except ValueError as error:
            raise UsageError(f"--index {error}") from error
        if filesystem.isfile(path):
            raise UsageError(f"--index {options.index} is a file: give a folder")


def check_output_holds_no_input(output: str, inputs: Iterable[str]) -> None:
    """Raise UsageError if an input file lies in the output folder, where it could be replaced."""
    for name in inputs:
        if _comparable(name).startswith(_comparable(output) + "/"):
            raise UsageError(f"--output {output} holds the input {name}: give a folder of its own")


def prepare(output: str, resumed: bool) -> None:
    """Make the output folder ready: new, emptied, or as the earlier run left it.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        if resumed:
            _remove_leftovers(output)
        else:
            names = [name for name in names_in(output) if not name.startswith(LOCK)]
            for name in sorted(names, key=lambda name: name == FILE):  # run.json last: while it is there, the rest can be resumed
                filesystem, path = resolve(f"{output}/{name}")
                filesystem.rm(path, recursive=True)
        filesystem, path = resolve(output)
        for folder in FOLDERS:
            filesystem.makedirs(f"{path}/{folder}", exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"--output {output} cannot be written: {error}") from error


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
    for folder in (output, *(f"{output}/{name}" for name in (*FOLDERS, INDEX))):
        for name in names_in(folder):
            if name.endswith(PARTIAL) or name == LOG:
                filesystem, path = resolve(f"{folder}/{name}")
                filesystem.rm(path)


def _refuse_strangers(output: str, found: list[str], options: RunOptions) -> None:
    if not options.overwrite and not options.resume:
        raise UsageError(
            f"--output {output} is not empty: give a new folder, --resume to finish what an earlier run began there, "
            "or --overwrite to replace it"
        )
    strangers = [name for name in found if name not in OURS and not name.endswith(PARTIAL)]
    for folder in (*FOLDERS, INDEX):
        inside = names_in(f"{output}/{folder}") if folder in found else []
        endings = (SUFFIX if folder == INDEX else WRITER.suffix, PARTIAL)
        strangers += [f"{folder}/{name}" for name in inside if FILE not in found or not name.endswith(endings)]
    if strangers:
        raise UsageError(f"--output {output} holds {strangers[0]!r}, which no run created: --overwrite replaces only output of runs")


def complete(output: str) -> None:
    """Write an empty file to a folder without files, so that every folder is a readable dataset."""
    for folder in FOLDERS:
        if not any(name.endswith(WRITER.suffix) for name in names_in(f"{output}/{folder}")):
            WRITER.write(folder, [], f"{output}/{folder}/empty{WRITER.suffix}")


def keep_log(output: str, text: str) -> str:
    """Write `error.log` to the output folder or, if that is full, to a temporary one. Returns its path."""
    for folder in (output, tempfile.mkdtemp(prefix="postner-", dir=shared_temporary_folder())):
        try:
            with whole_file(f"{folder}/{LOG}") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError:
            continue
        return f"{folder}/{LOG}"
    return "nowhere, no disk takes them"


def _comparable(address: str) -> str:
    return address if "://" in address else os.path.realpath(address)
