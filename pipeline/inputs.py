"""Find the input files, the fields of each posts file, and whether a file has changed since an earlier run read it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from fsspec.implementations.local import LocalFileSystem

from archive.images import find_shards
from archive.posts.entries import count_entries, read_entries
from archive.posts.fields.choose import EACH, NoPresetError, choose
from archive.posts.fields.presets import Fields
from archive.posts.find import find_posts
from archive.posts.packing import DamagedError
from archive.posts.records import Entry
from archive.stores import Version, resolve
from pipeline.options import RunOptions, UsageError

SAMPLE_RECORDS = 64
"""How many records of each file are read to choose its fields."""

FIELD_PATH = re.compile(r"[\w$.,+]+(\[\][\w$.,+]*)*")
"""What looks like a path of fields, such as `media[].url`."""

THREADS = 16
"""How many files are looked at together; on a store the time goes into waiting."""


class FoundInputs(NamedTuple):
    """The files that the command names.

    Attributes:
        posts: addresses of the posts files.
        shards: addresses of the image shards.
        passed_over: what was found in folders and is neither, with its count.
        versions: of all files; folders of pictures have none.
    """

    posts: list[str]
    shards: list[str]
    passed_over: dict[str, int]
    versions: dict[str, Version]


def find_inputs(options: RunOptions, known: Mapping[str, Version] | None = None) -> FoundInputs:
    """Return the files that the options name.

    Args:
        options: of the run.
        known: versions of files that an earlier run read; those of the same version are not opened.

    Raises:
        UsageError: a pattern matches no file, or not what it is for.
    """
    try:
        posts = find_posts(options.posts, "--posts", known)
        if not options.images:
            return FoundInputs(posts.files, [], posts.passed_over, posts.versions)
        shards = find_shards(options.images, "--images", known)
    except (ValueError, OSError) as error:
        paths = [pattern for pattern in options.images if FIELD_PATH.fullmatch(pattern) and "--images" in str(error)]
        hint = f" (for a field of the posts give --images_field {paths[0]!r})" if paths else ""
        raise UsageError(f"{error}{hint}") from error
    passed_over = dict(Counter(posts.passed_over) + Counter(shards.passed_over))
    return FoundInputs(posts.files, shards.shards, passed_over, shards.versions | posts.versions)


def choose_fields(addresses: Iterable[str], options: RunOptions) -> dict[str, Fields]:
    """Return the fields that make a post, for each posts file, from its first records.

    Raises:
        UsageError: no record of a file is a post.
    """

    def chosen(address: str) -> tuple[str, Fields]:
        try:
            return address, replace(choose(first_entries(address, options), options.fields), where=options.where)
        except NoPresetError as error:
            raise UsageError(f"--posts {address}: {error}") from error
        except (ValueError, OSError) as error:
            raise UsageError(f"--posts {address} cannot be read: {error}") from error

    with ThreadPoolExecutor(THREADS) as threads:
        return dict(threads.map(chosen, addresses))


def first_entries(address: str, options: RunOptions, count: int = SAMPLE_RECORDS) -> list[Entry]:
    """Return the first records of a posts file; of a damaged file, those before the damage."""
    found: list[Entry] = []
    each = tuple(options.each.split(",")) if options.each else EACH
    with suppress(DamagedError):  # what was found before stays
        found.extend(islice(read_entries(address, options.max_line_bytes, each), count))
    return found


@dataclass(frozen=True)
class InputFile:
    """The identity of an input file, to detect changes.

    Attributes:
        bytes, modified: its version, see `archive.stores.Version`.
        sha256: of a local posts file; None of shards, which are too large to be read for it, and of files on stores.
        lines: of a posts file whose every line is accounted for in the output, else None.
        fields: which fields make a post; None of shards.
    """

    bytes: int
    modified: str
    sha256: str | None = None
    lines: int | None = None
    fields: Fields | None = None

    @property
    def version(self) -> Version:
        """The version of the file."""
        return self.bytes, self.modified

    def is_same(self, now: InputFile) -> bool:
        """Whether the content is the same, by SHA-256 where there is one; a copy of a posts file is."""
        if self.sha256 and now.sha256:
            return self.sha256 == now.sha256
        return self.version == now.version


def fingerprint(address: str, version: Version, before: InputFile | None = None) -> InputFile:
    """Return the identity of a posts file. A local one is read for its SHA-256.

    Args:
        address: of the file.
        version: as it is now.
        before: as an earlier run saw it; a file of the same version is not read again.
    """
    if before and before.version == version:
        return InputFile(*version, before.sha256)
    filesystem, path = resolve(address)
    if not isinstance(filesystem, LocalFileSystem):
        return InputFile(*version)
    with filesystem.open(path, "rb") as file:
        return InputFile(*version, hashlib.file_digest(file, "sha256").hexdigest())


def each_of(fields: Fields | None) -> tuple[str, ...]:
    """Return where the posts are in a document of these fields, for `read_entries`."""
    return tuple(fields.each.split(",")) if fields and fields.each else ()


def lines_of(posts: Mapping[str, InputFile], max_line_bytes: int) -> dict[str, int]:
    """Return how many lines each posts file has: as an earlier run proved, else counted anew."""

    def lines(name: str, file: InputFile) -> int:
        known = file.fields.lines if file.lines is None and file.fields else file.lines
        return count_entries(name, max_line_bytes, each_of(file.fields)) if known is None else known

    return {name: lines(name, file) for name, file in posts.items()}


class LineCount:
    """Count the lines of the posts files in a thread, while the work goes on.

    The count is independent of the work: it tells how much is left, and at the end whether all is there.

    Args:
        posts: the posts files; those of known lines are not read.
        max_line_bytes: as for the reading of posts.
    """

    def __init__(self, posts: Mapping[str, InputFile], max_line_bytes: int) -> None:
        self._counted: Future[dict[str, int]] = Future()
        self._known_before = sum(file.lines or 0 for file in posts.values())
        threading.Thread(target=self._count, args=(posts, max_line_bytes), name="count", daemon=True).start()  # must not delay the exit

    def _count(self, posts: Mapping[str, InputFile], max_line_bytes: int) -> None:
        try:
            self._counted.set_result(lines_of(posts, max_line_bytes))
        except Exception as error:  # raised where the count is asked for
            self._counted.set_exception(error)

    def total(self) -> int | None:
        """Return the lines of the files that this run reads; None while they are being counted."""
        ended = self._counted.done() and not self._counted.exception()
        return sum(self._counted.result().values()) - self._known_before if ended else None

    def wait(self) -> dict[str, int]:
        """Return the lines of each posts file. Raises OSError if one cannot be read."""
        return self._counted.result()
