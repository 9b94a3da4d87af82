"""Skip the members of a tar or zip that hold records, but no posts: an account's export has many beside its posts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice

from archive.posts.fields.post import parse
from archive.posts.fields.presets import Fields
from archive.posts.first_records import RECORDS
from archive.posts.records import Entry, Reject, Skipped

_OTHER = Skipped("other member")
_OTHER_REASONS = frozenset(["no_id", "no_text", "wrong_type"])
"""What is wrong with a whole record of another kind. Damaged records are told as rejects."""

_HELD_BYTES = 2**20
"""Limit for the records that are held until one of them is a post."""


def without_other_members(entries: Iterable[Entry], address: str, fields: Fields) -> Iterator[Entry]:
    """Yield the entries, those of a member of whose first records none is a post as `Skipped`.

    Args:
        entries: of a file, in order.
        address: of the file; an entry of another source is one of a member.
        fields: which fields make a post.
    """
    whole = iter(entries)
    first = next(whole, None)
    if first is None:
        return
    whole = chain([first], whole)
    if first.source == address:
        yield from whole
        return
    for _, member in groupby(whole, lambda entry: entry.source):
        held: list[Entry] = []
        is_other, held_bytes = True, 0
        for entry in islice(member, RECORDS):
            held.append(entry)
            held_bytes += len(entry.data) if isinstance(entry.data, bytes) else 0
            is_other = _is_other(entry, fields)
            if not is_other or held_bytes > _HELD_BYTES:
                break
        for entry in chain(held, member):
            yield entry if not is_other or _is_blank(entry) or isinstance(entry.data, Skipped) else entry._replace(data=_OTHER)


def _is_other(entry: Entry, fields: Fields) -> bool:
    if _is_blank(entry) or isinstance(entry.data, Skipped):
        return True
    found = parse(entry, fields)
    return isinstance(found, Reject) and found.reason in _OTHER_REASONS


def _is_blank(entry: Entry) -> bool:
    return type(entry.data) is bytes and not entry.data.strip()
