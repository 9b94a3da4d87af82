"""Count an output folder from its files alone, and compare it with the lines of the input."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, BinaryIO

from archive.posts.slice_builder import file_prefix
from archive.stores import open_file
from pipeline.account import Account, Source, counters, digests, load, prefix_of, save
from pipeline.output import FOLDERS, names_in
from pipeline.repeated_ids import RepeatedIds
from transforms.writers import SHARD_REJECTS, WRITER
from transforms.writers.writer import Folder, UnreadableError

COSTS_A_ROW = ("post", "tag")
NOT_READ_TO_ITS_END = "unreadable_posts"
EXAMPLES = 3
"""How many keys that were not found are kept for the closing note."""


@dataclass(frozen=True, order=True)
class _Slice:
    """The account of one slice: how many of its lines became what."""

    first_line: int
    lines: int
    rows: int
    rejects: int
    skipped: int
    blanks: int
    name: str

    @property
    def accounted(self) -> int:
        return self.rows + self.rejects + self.skipped + self.blanks


COLUMNS = ("lines", "rows", "rejects", "skipped", "blanks")


@dataclass
class Audit:
    """Counts of an output folder.

    Attributes:
        entities: how many there are, by type.
        images: the same by status.
        rejects: the same by stage and reason.
        skipped: lines that are no posts by the rules of their source, by kind.
        escaped: how many plain texts hold HTML entities.
        repeated_ids: how many ids occur more than once.
        keys_not_found: the first keys that are in no shard.
        rows: of each slice, by its name.
        sources: per posts file its `lines`, `rows`, `rejects` (those that cost a row), `skipped` and `blanks`.
        files: SHA-256 of every file that was read, by its path in the folder; None of one that is not there any more.
        problems: one sentence for each inconsistency; `--resume` does what is missing.
        unread: one sentence for each thing of the input that could not be read; `--resume` does not help.
        whole: lines of the posts files that are completely in the output.
    """

    entities: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    rejects: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: Counter[str] = field(default_factory=Counter)
    escaped: int = 0
    repeated_ids: RepeatedIds = field(default_factory=RepeatedIds)
    keys_not_found: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """Sum over the posts files of one of `COLUMNS`."""
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
            "skipped": dict(self.skipped.most_common()),
            "repeated_ids": self.repeated_ids.count,
            "sources": self.sources,
            "files": self.files,
        }


def audit(output: str, lines_of: Mapping[str, int]) -> Audit:
    """Count a whole output folder, one file at a time.

    Args:
        output: its address.
        lines_of: how many lines each posts file has that was read.
    """
    return _audit(output, lines_of, _names(output), Account())[0]


def audit_new(output: str, lines_of: Mapping[str, int], proved: Mapping[str, int | None]) -> Audit:
    """Count an output folder, and keep the counts beside it. Files that earlier runs counted are not read again.

    Args:
        output: its address.
        lines_of: how many lines each posts file has that was read.
        proved: lines of the posts files that are completely in the output by `run.json`.
    """
    names = _names(output)
    found_names = digests(names)
    found, account = _audit(output, lines_of, names, load(output, found_names, proved))
    if not found.problems:
        account.sources = {name: Source(**columns, names=found_names.get(file_prefix(name), "")) for name, columns in found.sources.items()}
        save(output, account)
    return found


def _names(output: str) -> dict[Folder, list[str]]:
    return {folder: [name for name in names_in(f"{output}/{folder}") if name.endswith(WRITER.suffix)] for folder in FOLDERS}


def _audit(output: str, lines_of: Mapping[str, int], names: Mapping[Folder, Sequence[str]], before: Account) -> tuple[Audit, Account]:
    """Add the files that `before` does not know to its counts."""
    found_in = Audit(
        Counter(before.entities),
        Counter(before.images),
        counters(before.rejects),
        Counter(before.skipped),
        before.escaped,
        RepeatedIds(state=before.ids),
        [*before.keys_not_found],
        unread=[*before.unread],
    )
    known = {file_prefix(source) for source in before.sources}
    new = {folder: [name for name in in_folder if prefix_of(name) not in known] for folder, in_folder in names.items()}
    of_slices = {prefix_of(name) for name in new["annotations"]}
    new["rejects"] = [name for name in new["rejects"] if name not in before.shards]
    shards = {name: counters(of_file) for name, of_file in before.shards.items() if name in names["rejects"]}
    of_none: dict[str, Counter[str]] = defaultdict(Counter)
    costs: Counter[str] = Counter()  # lines of each slice that its rejects account for
    sources: dict[str, list[_Slice]] = defaultdict(list)
    for name, file in _opened(output, "rejects", new["rejects"]):
        with found_in.reading(name, file):
            base = posixpath.basename(name)
            if SHARD_REJECTS.fullmatch(base):
                counted = shards[base] = counters({})
            else:
                counted = found_in.rejects if prefix_of(base) in of_slices else of_none
            for reject in WRITER.rejects(file):
                counted[reject.stage][reject.reason] += 1
                costs[base] += reject.stage in COSTS_A_ROW
                if reject.reason == NOT_READ_TO_ITS_END:
                    found_in.unread.append(
                        f"{reject.source} was not read to its end ({reject.payload}): the posts before that are annotated; "
                        "get the file again, and annotate it into a new --output"
                    )
                if reject.reason == "no_such_key" and len(found_in.keys_not_found) < EXAMPLES:
                    found_in.keys_not_found.append(reject.payload)
    for name, file in _opened(output, "annotations", new["annotations"]):
        with found_in.reading(name, file):
            if counts := WRITER.counts(file):
                found_in.entities.update(counts.entities)
                found_in.images.update(counts.images)
                found_in.repeated_ids.add(counts.ids)
                base, facts = posixpath.basename(name), counts.facts
                found_in.skipped.update(facts.skipped)
                found_in.escaped += facts.escaped
                found_in.rows[base.removesuffix(WRITER.suffix)] = counts.rows
                skipped = sum(facts.skipped.values())
                of_slice = _Slice(facts.first_line, facts.lines, counts.rows, costs.pop(base, 0), skipped, facts.blanks, name)
                sources[facts.source].append(of_slice)
    found_in.problems += [f"rejects/{name} belongs to no slice of annotations" for name, lines in costs.items() if lines]
    if before.sources.keys() & sources.keys():  # a file that no run gave this name
        return _audit(output, lines_of, names, Account())
    account = Account(
        entities=dict(found_in.entities),
        images=dict(found_in.images),
        rejects={stage: dict(reasons) for stage, reasons in found_in.rejects.items()},
        skipped=dict(found_in.skipped),
        escaped=found_in.escaped,
        keys_not_found=found_in.keys_not_found,
        unread=[*found_in.unread],
        ids=found_in.repeated_ids.state,
        shards={name: {stage: dict(reasons) for stage, reasons in of_file.items()} for name, of_file in shards.items()},
    )
    found_in.files |= {f"rejects/{name}": None for name in before.shards if name not in shards}
    for of_file in (*shards.values(), of_none):
        for stage, reasons in of_file.items():
            found_in.rejects[stage].update(reasons)
    for name in sorted(lines_of.keys() | sources.keys() | before.sources.keys()):
        if name in before.sources:
            found_in.sources[name] = {column: getattr(before.sources[name], column) for column in COLUMNS}
            found_in.whole[name] = before.sources[name].lines
            continue
        found_in.sources[name] = {column: sum(getattr(of_slice, column) for of_slice in sources[name]) for column in COLUMNS}
        found = list(_problems(name, sorted(sources[name]), lines_of.get(name)))
        found_in.problems += found
        if not found:
            found_in.whole[name] = lines_of[name]
    if found_in.total("lines") and not found_in.total("rows"):
        found_in.unread.append(_nothing_annotated(found_in))
    return found_in, account


def _nothing_annotated(found: Audit) -> str:
    """Return the sentence of an output whose lines made no row."""
    why = [f"{found.total('rejects'):,} rejected (rejects/ has the reasons)"] if found.total("rejects") else []
    why += [f"{amount:,} skipped by the rule {kind!r}" for kind, amount in found.skipped.most_common()]
    why += [f"{found.total('blanks'):,} blank"] if found.total("blanks") else []
    return f"no post was annotated: of {found.total('lines'):,} lines {', '.join(why)}; python -m pipeline.peek shows what was read"


def output_files(output: str, folder: Folder) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files of one folder of an output, open, under their paths in the output."""
    yield from _opened(output, folder, _names(output)[folder])


def _opened(output: str, folder: Folder, names: Iterable[str]) -> Iterator[tuple[str, BinaryIO]]:
    for name in names:
        with open_file(f"{output}/{folder}/{name}") as file:
            yield f"{folder}/{name}", file


def _problems(name: str, slices: list[_Slice], lines: int | None) -> Iterator[str]:
    """Yield the inconsistencies of one posts file."""
    for one in slices:
        if one.lines != one.accounted:
            yield (
                f"{one.name}: {one.lines} lines of {name}, but {one.rows} rows, {one.rejects} rejects, {one.skipped} skipped "
                f"and {one.blanks} blanks"
            )
    if slices and slices[0].first_line != 1:
        yield f"{name}: lines 1 to {slices[0].first_line - 1} are in no slice"
    for left, right in pairwise(slices):
        if left.first_line + left.lines != right.first_line:
            yield f"{name}: the slices at line {left.first_line} ({left.lines} lines) and line {right.first_line} do not join"
    if lines is None:
        yield f"{name}: has rows, but was not read by the run in run.json"
    elif (accounted := sum(one.lines for one in slices)) != lines:
        yield f"{name}: has {lines} lines, of which {accounted} are accounted for"
