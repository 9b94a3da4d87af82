"""Define the immutable records that the pipeline passes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAYLOAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Record:
    """Hold one entry of a posts file, as a format's reader returns it.

    Attributes:
        fields: its values by name; a reader may leave a value encoded, as `msgspec.Raw`.
        source: address of its file.
        line: its line number in that file, from 1.
        payload: its bytes in the file, for a reject.
    """

    fields: Mapping[str, Any]
    source: str
    line: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Post:
    """Hold one readable line of the input.

    Attributes:
        id: the post's identifier; an integer in the input becomes its decimal string.
        text: as posted, never changed.
        images: keys of its pictures, names inside the image shards, in the post's order.
        extra: all other fields of the line as one JSON object, or None if there are none.
        source: address of its file.
        line: its line number in that file, from 1.
    """

    id: str
    text: str
    images: tuple[str, ...]
    extra: str | None
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """Hold something that cannot be used, and the reason.

    Attributes:
        stage: `post` or `tag` (costs the line its row); `shard` or `image` (costs no row).
        reason: one fixed code per cause.
        source: address of the file.
        line: line number in that file, or None if it does not apply.
        payload: the rejected content, cut at 1 KB.
    """

    stage: str
    reason: str
    source: str
    line: int | None
    payload: str

    @classmethod
    def cut(cls, stage: str, reason: str, source: str, line: int | None, payload: bytes | str) -> Reject:
        """Return a reject with its payload cut at 1 KB and made valid Unicode."""
        raw = payload.encode("utf-8", "backslashreplace") if isinstance(payload, str) else payload
        cut = raw[:PAYLOAD_BYTES]
        ended_inside_a_character = len(raw) > PAYLOAD_BYTES
        return cls(stage, reason, source, line, cut.decode("utf-8", "ignore" if ended_inside_a_character else "backslashreplace"))


@dataclass(frozen=True, slots=True)
class Slice:
    """Hold consecutive lines of one posts file: the unit of work and of output.

    The bounds of a slice depend on the file alone. So its name and rows do not depend on the number of workers or the
    batch size.

    Attributes:
        name: stem of its output files.
        source: address of the posts file.
        first_line: number of its first line, from 1.
        lines: how many lines it spans; posts + rejects + blanks.
        blanks: how many of them are empty.
        posts: the readable lines, in file order.
        rejects: the unreadable lines.
    """

    name: str
    source: str
    first_line: int
    lines: int
    blanks: int
    posts: tuple[Post, ...]
    rejects: tuple[Reject, ...] = ()
