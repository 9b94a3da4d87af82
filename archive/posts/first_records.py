"""Choose the fields of a posts file by its first records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from archive.posts.entries import read_entries
from archive.posts.fields.choose import EACH, FieldOptions, NoPresetError, choose, is_filled
from archive.posts.fields.presets import PRESETS, Fields
from archive.posts.packing import DamagedError
from archive.posts.records import Entry, Skipped

RECORDS = 64
"""How many records of a file, or of a member of a tar or zip, are read to choose its fields."""

_MEMBERS = 256
"""Limit for the members in which posts are looked for."""


class FirstRecords(NamedTuple):
    """Hold which fields make a post, and the records by which that was decided.

    Attributes:
        fields: paths of the id, the text and the pictures.
        entries: the first records; in a tar or zip those of the first member that holds posts. None is there in an empty file.
    """

    fields: Fields
    entries: list[Entry]


def first_records(address: str, max_line_bytes: int, options: FieldOptions, count: int = RECORDS) -> FirstRecords:
    """Return the first records of a file that are posts, and their fields; of a damaged file, those before the damage.

    Raises:
        NoPresetError: the file has records, but no first record of it or of one of its members is a post.
        ValueError: an option cannot be used.
        OSError: the file cannot be read.
    """
    if options.each:
        return _first_records(address, max_line_bytes, options, count, tuple(options.each.split(",")))
    try:
        fields, entries = _first_records(address, max_line_bytes, options, count, ())
        return FirstRecords(replace(fields, each=None) if _is_general(fields) else fields, entries)
    except NoPresetError as as_they_are:
        try:  # a page of an API, which holds the posts in an array
            fields, entries = _first_records(address, max_line_bytes, options, count, EACH)
        except NoPresetError as error:
            raise error from as_they_are
        own = fields.each and not _is_general(fields)
        return FirstRecords(fields if own else replace(fields, each=",".join(EACH)), entries)


def _is_general(fields: Fields) -> bool:
    return fields.preset in PRESETS and PRESETS[fields.preset].general


def _first_records(address: str, max_line_bytes: int, options: FieldOptions, count: int, each: tuple[str, ...]) -> FirstRecords:
    refused: tuple[int, NoPresetError] | None = None
    others: dict[str, str] = {}
    for number, entries in enumerate(_by_member(address, max_line_bytes, each, count), start=1):
        if any(map(is_filled, entries)):
            try:
                return FirstRecords(choose(entries, options), entries)
            except NoPresetError as error:
                if refused is None or len(entries) > refused[0]:  # the longest member tells most
                    refused = len(entries), error
        others |= {entry.data.kind: entry.source for entry in entries if isinstance(entry.data, Skipped)}
        if number == _MEMBERS:
            break
    if refused:
        raise refused[1]
    if others:
        raise NoPresetError(
            f"no member holds records, but {', '.join(f'{kind} ({name[len(address) + 1 :]})' for kind, name in others.items())}"
        )
    return FirstRecords(choose([], options), [])


def _by_member(address: str, max_line_bytes: int, each: tuple[str, ...], count: int) -> Iterator[list[Entry]]:
    entries = _readable(read_entries(address, max_line_bytes, each, count))
    yield from (list(member) for _, member in groupby(entries, lambda entry: entry.source))


def _readable(entries: Iterable[Entry]) -> Iterator[Entry]:
    with suppress(DamagedError):  # what was found before stays
        yield from entries
