"""Count an output folder from its files alone, and compare it with the lines of the input."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, BinaryIO

from archive.stores import open_file
from pipeline.output import names_in
from transforms.writers import WRITER
from transforms.writers.writer import Folder, UnreadableError

COSTS_A_ROW = ("post", "tag")


@dataclass
class _Source:
    """Output of one posts file: its slices as (first line, lines, rows, blanks, rejects, name)."""

    slices: list[tuple[int, int, int, int, int, str]] = field(default_factory=list)

    def total(self, column: int) -> int:
        return sum(int(piece[column]) for piece in self.slices)

    def counts(self) -> dict[str, int]:
        return {"lines": self.total(1), "rows": self.total(2), "rejects": self.total(4), "blanks": self.total(3)}


@dataclass
class Audit:
    """Counts of an output folder.

    Attributes:
        entities: how many there are, by type.
        images: the same by status.
        rejects: the same by stage and reason.
        rows: of each slice, by its name.
        sources: per posts file its `lines`, `rows`, `rejects` (those that cost a row) and `blanks`.
        files: SHA-256 of every file, by its path in the folder.
        problems: one sentence for each inconsistency.
        whole: lines of the posts files that are completely in the output.
    """

    entities: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    rejects: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    rows: dict[str, int] = field(default_factory=dict)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """Sum over the posts files of `lines`, `rows`, `rejects` or `blanks`."""
        return sum(source[name] for source in self.sources.values())

    @contextmanager
    def reading(self, name: str, raw: Any) -> Iterator[None]:
        """Keep the hash of a file; a file that cannot be read becomes a problem."""
        self.files[name] = hashlib.file_digest(raw, "sha256").hexdigest()
        try:
            yield
        except UnreadableError as error:
            self.problems.append(f"{name} is not a file of a run: {error}")

    def as_counts(self) -> dict[str, Any]:
        """For `run.json`."""
        return {
            **{name: self.total(name) for name in ("lines", "rows", "blanks")},
            "entities": dict(self.entities.most_common()),
            "images": dict(self.images.most_common()),
            "rejects": {stage: dict(reasons.most_common()) for stage, reasons in sorted(self.rejects.items())},
            "sources": self.sources,
            "files": self.files,
        }


def audit(output: str, lines_of: dict[str, int]) -> Audit:
    """Count an output folder, one file at a time.

    Args:
        output: its address.
        lines_of: how many lines each posts file has that was read.
    """
    found_in = Audit()
    costs: Counter[str] = Counter()  # lines of each slice that its rejects account for
    sources: dict[str, _Source] = defaultdict(_Source)
    for name, file in output_files(output, "rejects"):
        with found_in.reading(name, file):
            for stage, reason in WRITER.reject_reasons(file):
                found_in.rejects[stage][reason] += 1
                costs[posixpath.basename(name)] += stage in COSTS_A_ROW
    for name, file in output_files(output, "annotations"):
        with found_in.reading(name, file):
            if counts := WRITER.counts(file):
                found_in.entities.update(counts.entities)
                found_in.images.update(counts.images)
                found_in.rows[posixpath.basename(name).removesuffix(WRITER.suffix)] = counts.rows
                facts, rejects = counts.facts, costs.pop(posixpath.basename(name), 0)
                sources[facts.source].slices.append((facts.first_line, facts.lines, counts.rows, facts.blanks, rejects, name))
    found_in.problems += [f"rejects/{name} belongs to no slice of annotations" for name, lines in costs.items() if lines]
    found_in.sources = {name: sources[name].counts() for name in sorted(lines_of.keys() | sources.keys())}
    for name in found_in.sources:
        found = list(_problems(name, sources[name], lines_of.get(name)))
        found_in.problems += found
        if not found:
            found_in.whole[name] = lines_of[name]
    return found_in


def output_files(output: str, folder: Folder) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files of one folder of an output, open, under their paths in the output."""
    for name in names_in(f"{output}/{folder}"):
        if name.endswith(WRITER.suffix):
            with open_file(f"{output}/{folder}/{name}") as file:
                yield f"{folder}/{name}", file


def _problems(name: str, source: _Source, lines: int | None) -> Iterator[str]:
    """Yield the inconsistencies of one posts file."""
    slices = sorted(source.slices)
    for _, of_slice, rows, blanks, rejects, file in slices:
        if of_slice != rows + rejects + blanks:
            yield f"{file}: {of_slice} lines of {name}, but {rows} rows, {rejects} rejects and {blanks} blanks"
    if slices and slices[0][0] != 1:
        yield f"{name}: lines 1 to {slices[0][0] - 1} are in no slice"
    for left, right in pairwise(slices):
        if left[0] + left[1] != right[0]:
            yield f"{name}: the slices at line {left[0]} ({left[1]} lines) and line {right[0]} do not join"
    if lines is None:
        yield f"{name}: has rows, but was not read by the run in run.json"
    elif source.total(1) != lines:
        yield f"{name}: has {lines} lines, of which {source.total(1)} are accounted for"
