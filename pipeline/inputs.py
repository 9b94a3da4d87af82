"""Find the input files, the fields of each posts file, and whether a file has changed since an earlier run read it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from fsspec.implementations.local import LocalFileSystem

from archive.images import find_shards
from archive.posts.entries import count_entries, describe
from archive.posts.fields.choose import NoPresetError
from archive.posts.fields.presets import Fields
from archive.posts.find import find_posts
from archive.posts.first_records import FirstRecords, first_records
from archive.stores import Version, resolve
from pipeline.definitions import UsageError

if TYPE_CHECKING:
    from pipeline.options import RunOptions

FIELD_PATH = re.compile(r"[\w$.,+]+(\[\][\w$.,+]*)*")
"""What looks like a path of fields, such as `media[].url`."""

THREADS = 16
"""How many files are looked at together; on a store the time goes into waiting."""

CURES = {
    "image": "give shards of pictures to --images",
    "Arrow IPC": "write it as Parquet, with datasets by to_parquet(PATH), with pyarrow by parquet.write_table(TABLE, PATH)",
}
"""What to do with files that hold no posts, by kind."""

NAMED = 3
"""How many of the files that hold no posts are named."""


class FoundInputs(NamedTuple):
    """The files that the command names.

    Attributes:
        posts: addresses of the posts files.
        shards: addresses of the image shards.
        passed_over: what was found in folders and is neither, with its count.
        in_folders: those of the posts files that nobody named, but a folder that they lie in.
        versions: of all files; folders of pictures have none.
    """

    posts: list[str]
    shards: list[str]
    passed_over: dict[str, int]
    versions: dict[str, Version]
    in_folders: frozenset[str] = frozenset()


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
            return FoundInputs(posts.files, [], posts.passed_over, posts.versions, posts.in_folders)
        shards = find_shards(options.images, "--images", known)
    except (ValueError, OSError) as error:
        paths = [pattern for pattern in options.images if FIELD_PATH.fullmatch(pattern) and "--images" in str(error)]
        hint = f" (for a field of the posts give --images_field {paths[0]!r})" if paths else ""
        raise UsageError(f"{error}{hint}") from error
    passed_over = dict(Counter(posts.passed_over) + Counter(shards.passed_over))
    return FoundInputs(posts.files, shards.shards, passed_over, shards.versions | posts.versions, posts.in_folders)


def choose_fields(inputs: FoundInputs, options: RunOptions, known: Collection[str] = ()) -> tuple[FoundInputs, dict[str, FirstRecords]]:
    """Choose the fields that make a post, for each posts file, from its first records.

    A file in a folder that holds no posts is passed over, as long as another file does hold some: exports have such files.

    Args:
        inputs: the files that the command names.
        options: of the run.
        known: posts files whose fields are known.

    Returns:
        The inputs without what is passed over, and what the first records tell, for each posts file that is not known.

    Raises:
        UsageError: no record of a file is a post.
    """

    def chosen(address: str) -> FirstRecords | UsageError:
        try:
            found = first_records(address, options.max_line_bytes, options.fields)
            return found._replace(fields=replace(found.fields, where=options.where))
        except NoPresetError as error:
            refused = UsageError(_not_posts(address) or f"--posts {address}: {error}")
            if address in inputs.in_folders:
                return refused
            raise refused from error
        except (ValueError, OSError) as error:
            raise UsageError(f"--posts {address} cannot be read: {error}") from error

    new = [name for name in inputs.posts if name not in known]
    with ThreadPoolExecutor(THREADS) as threads:
        found = dict(zip(new, threads.map(chosen, new), strict=True))
    first = {name: records for name, records in found.items() if isinstance(records, FirstRecords)}
    refused = {name: error for name, error in found.items() if isinstance(error, UsageError)}
    with_posts = any(records.entries for records in first.values()) or len(new) < len(inputs.posts)
    if refused and not with_posts:
        raise next(iter(refused.values()))
    empty = [name for name, records in first.items() if not records.entries and name in inputs.in_folders] if with_posts else []
    passed_over = dict(inputs.passed_over)
    for kind, names in (("no posts", list(refused)), ("no records", empty)):
        if names:
            passed_over[f"{kind}: {', '.join(name.rsplit('/', 1)[-1] for name in names[:NAMED])}"] = len(names)
    posts = [name for name in inputs.posts if name not in refused and name not in empty]
    return inputs._replace(posts=posts, passed_over=passed_over), {name: first[name] for name in posts if name in first}


def _not_posts(address: str) -> str | None:
    """Return the sentence for a file whose first bytes say that it holds no posts; None for one that might."""
    try:
        kind = describe(address).other
    except OSError:
        return None
    cure = CURES.get(kind or "text", "give JSON lines, a JSON document, CSV with a header, or Parquet")
    return None if kind in (None, "empty", "text") else f"--posts {address} holds no posts, its first bytes are those of {kind}: {cure}"


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


def lines_of(posts: Mapping[str, InputFile], max_line_bytes: int) -> dict[str, int]:
    """Return how many lines each posts file has: as an earlier run proved, else counted anew."""

    def lines(name: str, file: InputFile) -> int:
        known = file.fields.lines if file.lines is None and file.fields else file.lines
        return count_entries(name, max_line_bytes, file.fields.each_paths if file.fields else ()) if known is None else known

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
