"""Define the immutable records that the pipeline passes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

PAYLOAD_BYTES = 1024


class Entry(NamedTuple):
    """Hold one entry of a posts file, not yet parsed.

    Attributes:
        data: the bytes of one JSON value, of a line that may be blank, or the start of one that is `TooLong`; a row of a
            table by column; or a reject, or a kind to skip, if the reader itself has no record.
        source: address of its file; of a member of a tar or zip `ADDRESS/MEMBER`.
        line: its number in that source, from 1: of the line in a file of lines, else of the record.
        context: of a record in a document, the other fields of the objects around it, or None.
    """

    data: bytes | Mapping[str, Any] | Reject | Skipped
    source: str
    line: int
    context: Mapping[str, msgspec.Raw] | None = None


class Skipped(NamedTuple):
    """Hold the kind of a record that is no post by its preset's own rules, such as `delete` or `repost`."""

    kind: str


class Post(msgspec.Struct, frozen=True):
    """Hold one readable entry of the input. One is made per post, and a struct takes a quarter of a dataclass's time.

    Attributes:
        id: the post's identifier; an integer in the input becomes its decimal string.
        text: as the model reads it, after markup.
        images: keys of its pictures, names inside the image shards, in the post's order.
        extra: all other fields of the line as one JSON object, or None if there are none.
        source: address of its file.
        line: its line number in that file, from 1.
        alts: alternative text of each picture, in the order of `images`; () if there are none.
        image_problems: what the images' field held that is no key; one reject of stage `image` each.
        has_entities: whether a plain text holds HTML entities, such as `&amp;`.
    """

    id: str
    text: str
    images: tuple[str, ...]
    extra: str | None
    source: str
    line: int
    alts: tuple[str | None, ...] = ()
    image_problems: tuple[str, ...] = ()
    has_entities: bool = False


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
    """Hold consecutive entries of one posts file: the unit of work and of output.

    The bounds of a slice depend on the file alone. So its name and rows do not depend on the number of workers or the
    batch size.

    Attributes:
        name: stem of its output files.
        source: address of the posts file.
        first_line: number of its first entry in the file, from 1, members of a tar or zip included.
        lines: how many entries it spans: posts + rejects + skipped + blanks.
        blanks: how many of them are empty.
        posts: the readable entries, in file order.
        rejects: the unreadable entries.
        skipped: how many entries are no posts by their preset's rules, by kind.
        escaped: how many posts have plain texts that hold HTML entities.
    """

    name: str
    source: str
    first_line: int
    lines: int
    blanks: int
    posts: tuple[Post, ...]
    rejects: tuple[Reject, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    escaped: int = 0
