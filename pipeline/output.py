"""The output folder: refused where it holds something, replaced on demand, complete and readable at the end."""

from __future__ import annotations

import tempfile

import fsspec

from pipeline.options import UsageError
from transforms import schema
from transforms.write import write_whole

FOLDERS = {"annotations": schema.ANNOTATIONS, "rejects": schema.REJECTS}
OURS = {*FOLDERS, "run.json", "error.log"}


def prepare(output: str, overwrite: bool) -> None:
    """Make sure that the run starts with nothing in the output folder.

    Raises:
        UsageError: it holds something and `overwrite` is not given, or holds what no run wrote, or cannot be written.
    """
    filesystem, path = fsspec.core.url_to_fs(output)
    try:
        _empty(filesystem, path, output, overwrite)
        for folder in FOLDERS:
            filesystem.makedirs(f"{path.rstrip('/')}/{folder}", exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {output} cannot be written: {error}") from error


def _empty(filesystem: fsspec.AbstractFileSystem, path: str, output: str, overwrite: bool) -> None:
    if filesystem.isfile(path):
        raise UsageError(f"--output {output} is a file: give a folder that is new or empty")
    if not filesystem.exists(path):
        return
    found = {entry.rstrip("/").rsplit("/", 1)[-1] for entry in filesystem.ls(path, detail=False)}
    if not found:
        return
    if not overwrite:
        raise UsageError(f"--output {output} is not empty: give a new folder, or --overwrite to replace what an earlier run wrote there")
    if strangers := sorted(found - OURS):
        raise UsageError(f"--output {output} holds {strangers[0]!r}, which no run wrote: --overwrite only replaces output of earlier runs")
    for name in found:
        filesystem.rm(f"{path.rstrip('/')}/{name}", recursive=True)


def complete(output: str) -> None:
    """Make both folders readable datasets also where nothing was written to them."""
    for folder, rows in FOLDERS.items():
        filesystem, path = fsspec.core.url_to_fs(f"{output}/{folder}")
        if not filesystem.glob(f"{path}/*.parquet"):
            write_whole([], rows, f"{output}/{folder}/empty.parquet")


def keep_log(output: str, text: str) -> str:
    """Write `error.log` into the output folder or, where that is full, a temporary one; says where it is."""
    for folder in (output, tempfile.mkdtemp(prefix="postner-")):
        try:
            with fsspec.open(f"{folder}/error.log", "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            continue
        return f"{folder}/error.log"
    return "nowhere, no disk takes them"
