"""What earlier runs proved of an output, kept beside it, so that a night reads only the files that are new."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from archive.posts.slice_builder import file_prefix
from archive.stores import open_file
from archive.whole_file import whole_file
from pipeline.output import RUNS
from pipeline.repeated_ids import RepeatedIds
from transforms.writers import WRITER
from transforms.writers.writer import Folder

FILE = f"{RUNS}/account"


class Source(msgspec.Struct, frozen=True):
    """The account of one posts file whose every line is in the output.

    Attributes:
        lines, rows, rejects, skipped, blanks: what its lines became.
        names: digest of the names of its output files, see `digests`.
    """

    lines: int
    rows: int
    rejects: int
    skipped: int
    blanks: int
    names: str


class Account(msgspec.Struct):
    """Sums over the slices of posts files that are completely in the output.

    Attributes:
        version: of the schema of the output.
        sources: the posts files, by address.
        entities, images, rejects, skipped, escaped, keys_not_found, unread: see `Audit`; rejects without those of shards.
        ids: state of `RepeatedIds`.
        shards: rejects of shards, by the name of their file, stage and reason.
    """

    version: str = WRITER.version
    sources: dict[str, Source] = {}
    entities: dict[str, int] = {}
    images: dict[str, int] = {}
    rejects: dict[str, dict[str, int]] = {}
    skipped: dict[str, int] = {}
    escaped: int = 0
    keys_not_found: list[str] = []
    unread: list[str] = []
    ids: tuple[int, bytes, bytes] = RepeatedIds().state
    shards: dict[str, dict[str, dict[str, int]]] = {}


def digests(names: Mapping[Folder, Iterable[str]]) -> dict[str, str]:
    """Return a digest of the names of the output files of each posts file, by the beginning of their names.

    Args:
        names: sorted, by folder.
    """
    found: dict[str, hashlib._Hash] = defaultdict(hashlib.sha256)
    for folder, in_folder in names.items():
        for name in in_folder:
            found[prefix_of(name)].update(f"{folder}/{name}\n".encode("utf-8", "surrogateescape"))
    return {prefix: digest.hexdigest() for prefix, digest in found.items()}


def prefix_of(name: str) -> str:
    """Return how the names of all output files of the same posts file begin, see `file_prefix`."""
    return "".join(name.rpartition("-")[:2])


def load(output: str, names: Mapping[str, str], lines: Mapping[str, int | None]) -> Account:
    """Return the account of an output; an empty one if it has none, or if its files are not those of the account any more.

    Args:
        output: its address.
        names: `digests` of its files.
        lines: of each posts file that is completely in the output by `run.json`.
    """
    try:
        with open_file(f"{output}/{FILE}") as file:
            account = msgspec.msgpack.decode(file.read(), type=Account)
    except (OSError, msgspec.MsgspecError):
        return Account()
    is_valid = account.version == WRITER.version and all(
        lines.get(source) == of_source.lines and names.get(file_prefix(source)) == (of_source.names or None)
        for source, of_source in account.sources.items()
    )
    return account if is_valid else Account()


def save(output: str, account: Account) -> None:
    """Write the account, whole or not at all."""
    with whole_file(f"{output}/{FILE}") as file:
        file.write(msgspec.msgpack.encode(account))


def counters(of_stages: Mapping[str, Mapping[str, int]]) -> dict[str, Counter[str]]:
    """Return counts by stage and reason that can be added to."""
    return defaultdict(Counter, {stage: Counter(reasons) for stage, reasons in of_stages.items()})
