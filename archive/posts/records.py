"""The small immutable records that flow from the archive through the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archive.images.member import Member

PAYLOAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What a reader of a format gives: one entry of a posts file.

    Attributes:
        fields: its values by name; a reader may leave a value encoded, as `msgspec.Raw`.
        source: address of the file that it is from.
        line: its number there, from 1.
        payload: what stood there, for a reject.
    """

    fields: Mapping[str, Any]
    source: str
    line: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Post:
    """One readable line of the input.

    Attributes:
        id: the post's identifier; an integer in the input becomes its decimal string.
        text: as posted, never changed.
        images: keys of its pictures, names inside the image shards, in the post's order.
        extra: all other fields of the line as one JSON object, or None where there are none.
        source: address of the file that the line is from.
        line: its number there, from 1.
    """

    id: str
    text: str
    images: tuple[str, ...]
    extra: str | None
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that could not be used, and why.

    Attributes:
        stage: `post` or `tag` (costs the line its row); `shard` or `image` (costs no row).
        reason: one fixed word per kind of trouble.
        source: address of the file at fault.
        line: its line there, where lines make sense.
        payload: what was there, cut at 1 KB.
    """

    stage: str
    reason: str
    source: str
    line: int | None
    payload: str

    @classmethod
    def cut(cls, stage: str, reason: str, source: str, line: int | None, payload: bytes | str) -> Reject:
        """A reject whose payload is cut at 1 KB and made valid Unicode."""
        raw = payload.encode("utf-8", "backslashreplace") if isinstance(payload, str) else payload
        cut = raw[:PAYLOAD_BYTES]
        ended_inside_a_character = len(raw) > PAYLOAD_BYTES
        return cls(stage, reason, source, line, cut.decode("utf-8", "ignore" if ended_inside_a_character else "backslashreplace"))


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive lines of one posts file: the unit of work, and of output.

    Where a slice begins and ends follows from the file alone, so its name and its rows are the same
    whatever the number of workers and the batch size.

    Attributes:
        name: stem of its output files.
        source: address of the posts file.
        first_line: number of its first line, from 1.
        lines: how many lines it spans; posts + rejects + blanks.
        blanks: how many of them are empty.
        posts: the readable ones, in file order.
        rejects: the unreadable ones.
        members: where the pictures that the posts name lie; a key that is not here is in no shard.
    """

    name: str
    source: str
    first_line: int
    lines: int
    blanks: int
    posts: tuple[Post, ...]
    rejects: tuple[Reject, ...] = ()
    members: dict[str, Member] = field(default_factory=dict)
