"""Find problems in an output folder: lost or doubled lines, rows that break the schema, changed files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any

from archive.stores import open_file, resolve, version_of
from pipeline import manifest
from pipeline.audit import audit, output_files
from pipeline.inputs import fingerprint, lines_of
from pipeline.output import FOLDERS, RUNS, names_in
from transforms.writers import WRITER
from transforms.writers.writer import Folder, UnreadableError

STATUSES = ("ok", "partial", "missing", "ambiguous", "corrupt", "unsupported", "too_large")
"""What the images column says of a picture."""


def inspect(output: str) -> list[str]:
    """Return a sentence for each problem of an output folder.

    Raises:
        UsageError: it is no output of a run.
    """
    run, summary = manifest.load(output)
    problems = [f"the run has not ended: repeat its command with --resume {output}"] if summary["state"] == "running" else []
    known = {}
    for name, posts in run.posts.items():
        filesystem, path = resolve(name)
        known[name] = replace(posts, lines=posts.lines or 0)
        if filesystem.exists(path):
            if posts.is_same(fingerprint(name, version_of(name))):
                known[name] = replace(posts, lines=None)
            else:
                problems.append(f"{name} was changed since it was read")
    counted = audit(output, lines_of(known, run.settings["max_line_bytes"]))
    problems += [*counted.unread, *counted.problems]
    hashes = _hashes(output) | summary.get("files", {})
    for name in sorted(counted.files.keys() | hashes.keys()):
        if counted.files.get(name) != hashes.get(name):
            problems.append(f"{name}: SHA-256 is {counted.files.get(name)}, its run recorded {hashes.get(name)}")
    for folder in FOLDERS:
        for name, file in output_files(output, folder):
            try:
                problems += _wrong_rows(name, file, folder, run.settings["model"])
            except UnreadableError as error:
                problems.append(f"{name} cannot be read: {error}")
    return problems


def _hashes(output: str) -> dict[str, str | None]:
    """Return the SHA-256 of files as the runs that read them last recorded it."""
    hashes: dict[str, str | None] = {}
    for name in names_in(f"{output}/{RUNS}"):  # sorted by time
        if name.endswith(".json"):
            with open_file(f"{output}/{RUNS}/{name}") as file:
                hashes |= json.loads(file.read().decode("utf-8", "surrogateescape")).get("files", {})
    return hashes


def _wrong_rows(name: str, file: IO[bytes], folder: Folder, model: str) -> Iterator[str]:
    for row in WRITER.rows(folder, file):
        if folder == "annotations" and (wrong := wrong_with(row, model)):
            yield f"{name}: line {row['line']} of {row['source']}: {wrong}"


def wrong_with(row: dict[str, Any], model: str) -> str | None:
    """Return what breaks the contract in a row of annotations, or None."""
    if row["model"] != model:
        return f"annotated by {row['model']}, the run was with {model}"
    end = 0
    for entity in row["entities"]:
        if row["text"][entity["start"] : entity["end"]] != entity["text"] or not entity["text"]:
            return f"entity {entity['text']!r} is not at {entity['start']}:{entity['end']} of the text"
        if entity["start"] < end:
            return f"entity {entity['text']!r} begins inside the one before it"
        if not 0 <= entity["score"] <= 1:
            return f"entity {entity['text']!r} has score {entity['score']}"
        end = entity["end"]
    for image in row["images"]:
        if image["status"] not in STATUSES:
            return f"image {image['key']!r} has status {image['status']!r}"
        for text in image["texts"]:
            for name in text["entities"]:
                if text["text"][name["start"] : name["end"]] != name["text"] or not name["text"]:
                    return f"entity {name['text']!r} is not at {name['start']}:{name['end']} of a text in image {image['key']!r}"
        for found in image["objects"]:
            x1, y1, x2, y2 = found["box"]
            if not (0 <= x1 <= x2 <= image["width"] and 0 <= y1 <= y2 <= image["height"]):
                return f"{found['label']} in image {image['key']!r} has box {found['box']}"
    return None
