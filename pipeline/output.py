"""The output folder: refused where it holds something, replaced on demand, complete and readable at the end."""

from __future__ import annotations

import fsspec

from pipeline.options import UsageError
from transforms import schema
from transforms.write import write_whole

OURS = {"annotations", "rejects", "run.json", "error.log"}


def prepare(output: str, overwrite: bool) -> None:
    """Make sure that the run starts with nothing in the output folder.

    Raises:
        UsageError: it holds something and `overwrite` is not given, or holds what no run wrote.
    """
    filesystem, path = fsspec.core.url_to_fs(output)
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
    for folder, rows in (("annotations", schema.ANNOTATIONS), ("rejects", schema.REJECTS)):
        filesystem, path = fsspec.core.url_to_fs(f"{output}/{folder}")
        if not filesystem.glob(f"{path}/*.parquet"):
            write_whole([], rows, f"{output}/{folder}/empty.parquet")


def keep_log(output: str, text: str) -> str:
    """Write `error.log`; returns its address."""
    address = f"{output}/error.log"
    filesystem, path = fsspec.core.url_to_fs(address)
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with filesystem.open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return address
