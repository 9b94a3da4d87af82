"""Cut JSON documents into their records, in memory that does not depend on the document's size.

Documents may follow each other with or without commas, and a JavaScript assignment may stand before one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from archive.posts.formats.pages import Element, Path, records_of
from archive.posts.formats.structure import COMMA, OPEN_ARRAY, OPEN_OBJECT, Structure
from archive.posts.formats.too_long import TooLong
from archive.posts.packing.stream import CHUNK_BYTES, DamagedError

_SPACE = b" \t\r\n"
_BETWEEN = _SPACE + b";\x1e"
"""What may stand between documents: white space, the end of an assignment, the record separator of RFC 7464."""

_BOM = b"\xef\xbb\xbf"
_ASSIGNMENT = re.compile(rb"\s*(?:(?:export|var|let|const)\s+)?[\w$.]+\s*=\s*")
_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)


def split_document(chunks: Iterable[bytes], max_bytes: int, paths: Sequence[Path] = ()) -> Iterator[Element]:
    """Yield the records of JSON documents: elements of an array, else whole documents.

    Of an object that holds an array of objects at one of the paths, the elements of that are the records. An object of more
    than `max_bytes` is not held in memory: its records lack the fields that follow the array as context.

    Raises:
        DamagedError: after all records, if a document does not end or the chunks do so.
    """
    splitter = _Splitter(max_bytes, paths)
    damage: DamagedError | None = None
    try:
        for chunk in chunks:
            yield from splitter.feed(chunk)
    except DamagedError as error:
        damage = error
    is_open = splitter.is_open
    yield from splitter.finish()
    if damage or is_open:
        raise damage or DamagedError("the JSON document is cut short")


@dataclass
class _Frame:
    """An open bracket whose content is not one record.

    Attributes:
        is_array: whether its elements are records; else it is an object on the way to them.
        paths: the ways from its elements or fields to records.
        context: fields of the objects around, as far as they were read.
        otherwise: the record that an object is, if no records are found in it.
        found: whether an array of records was found in it.
    """

    is_array: bool
    paths: Sequence[Path]
    context: dict[str, msgspec.Raw] = field(default_factory=dict)
    otherwise: bytes = b""
    found: bool = False


class _Splitter:
    """Collect the bytes of one record, or of one field of an object on the way to records."""

    def __init__(self, max_bytes: int, paths: Sequence[Path]) -> None:
        self._max_bytes = max_bytes
        self._paths = tuple(paths)
        self._structure = Structure()
        self._frames: list[_Frame] = []
        self._held = bytearray()
        self._too_long: TooLong | None = None
        self._waiting: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether a document has begun that has not ended."""
        return bool(self._structure.depth or self._structure.in_string)

    def feed(self, chunk: bytes) -> Iterator[Element]:
        """Yield the records that end in the next chunk."""
        self._waiting.append(chunk)
        yield from self._scan_waiting()

    def finish(self) -> Iterator[Element]:
        """Yield what is left at the end of the input."""
        rest = self._piece(b"")
        while self.is_open and self._can_descend(rest):
            self._descend(rest, rest)
            yield from self._scan_waiting()
            rest = self._piece(b"")
        if rest and self._in_array():
            yield from self._records(rest)
        while self._frames:
            yield from self._pop()

    def _scan_waiting(self) -> Iterator[Element]:
        while self._waiting:
            yield from self._scan(self._waiting.pop())

    def _scan(self, chunk: bytes) -> Iterator[Element]:
        start = 0
        for position, level, sign in self._structure.marks(chunk, self._most_level()):
            base = len(self._frames)
            if level > base:
                continue
            is_closed = level < base  # the bracket of the last frame
            if sign in (OPEN_OBJECT, OPEN_ARRAY):
                before = self._piece(chunk[start:position])
                start = position
                if not self._in_array():
                    start += self._enter_field(before, sign)
                else:
                    if before and not (base == 0 and _ASSIGNMENT.fullmatch(before)):
                        yield from self._records(before)
                    if base == 0 and sign == OPEN_ARRAY:
                        self._frames.append(_Frame(True, self._paths))
                        start += 1
                continue
            if not self._in_array() and not is_closed and sign != COMMA:
                continue  # a bracket of a field's value
            end = position if is_closed or sign == COMMA else position + 1
            piece = self._piece(chunk[start:end])
            if len(piece) > self._max_bytes and self._can_descend(piece):
                self._descend(piece + chunk[end:], TooLong.cut(piece))
                return
            start = position + 1
            if self._in_array():
                yield from self._records(piece) if piece else ()
            elif piece:
                self._keep_field(piece)
            if is_closed:
                yield from self._pop()
        self._hold(chunk[start:])

    def _hold(self, rest: bytes) -> None:
        if self._too_long is not None:
            return
        self._held += rest
        if len(self._held) > self._max_bytes:
            piece = bytes(self._held).lstrip(self._between())
            self._held = bytearray(piece)
            if len(piece) > self._max_bytes and self._can_descend(piece):
                self._descend(piece, TooLong.cut(piece))
            elif len(piece) > self._max_bytes:
                self._too_long = TooLong.cut(piece)
                self._held.clear()

    def _piece(self, rest: bytes) -> bytes:
        """Return the bytes since the last mark, without the space around them, and forget them."""
        piece = bytes(self._held) + rest if self._held else rest
        too_long, self._too_long = self._too_long, None
        self._held.clear()
        piece = piece.strip(self._between())
        while not self._frames and piece.startswith(_BOM):
            piece = piece[len(_BOM) :].lstrip(_BETWEEN)
        return piece if too_long is None else too_long

    def _records(self, piece: bytes) -> Iterator[Element]:
        context = self._frames[-1].context if self._frames else None
        if isinstance(piece, TooLong) or len(piece) > self._max_bytes:
            yield Element(TooLong.cut(piece), context or None)
        elif paths := self._paths_here():
            yield from records_of(piece, paths, context or None)
        else:
            yield Element(piece, context or None)

    def _can_descend(self, piece: bytes) -> bool:
        return piece.startswith(b"{") and not isinstance(piece, TooLong) and self._in_array() and bool(self._paths_here())

    def _descend(self, piece: bytes, otherwise: bytes) -> None:
        """Read a piece again, from inside its bracket, as an object on the way to records."""
        context = dict(self._frames[-1].context) if self._frames else {}
        self._frames.append(_Frame(False, self._paths_here(), context, otherwise))
        self._structure = Structure(len(self._frames))
        self._held.clear()
        parts = [piece[start : start + CHUNK_BYTES] for start in range(1, len(piece), CHUNK_BYTES)]
        self._waiting.extend(reversed(parts))

    def _enter_field(self, before: bytes, sign: int) -> int:
        """Open the value of a field if records are in it. Return how many bytes of the value were used."""
        frame = self._frames[-1]
        key = _key(before)
        paths = [path[1:] for path in frame.paths if key is not None and path[0] == key]
        context = dict(frame.context)
        if sign == OPEN_ARRAY and paths:
            for outer in self._frames:
                outer.found = True
            self._frames.append(_Frame(True, [path for path in paths if path], context))
        elif sign == OPEN_OBJECT and any(paths):
            self._frames.append(_Frame(False, [path for path in paths if path], context))
        else:
            self._held += before
            return 0
        return 1

    def _keep_field(self, piece: bytes) -> None:
        """Keep a field as context for the records that follow, as long as all of them fit into the limit."""
        found = _KEY.match(piece)
        key = _key(piece[: found.end()]) if found else None
        context = self._frames[-1].context
        kept_bytes = sum(len(bytes(value)) for value in context.values())
        if found and key is not None and not isinstance(piece, TooLong) and kept_bytes + len(piece) <= self._max_bytes:
            context[key] = msgspec.Raw(piece[found.end() :])

    def _pop(self) -> Iterator[Element]:
        frame = self._frames.pop()
        if frame.otherwise and not frame.found:
            yield Element(frame.otherwise)

    def _in_array(self) -> bool:
        return not self._frames or self._frames[-1].is_array

    def _paths_here(self) -> Sequence[Path]:
        return self._frames[-1].paths if self._frames else self._paths

    def _between(self) -> bytes:
        return _SPACE if self._frames else _BETWEEN

    def _most_level(self) -> int:
        """Level of the deepest mark that one of the next frames may need."""
        if all(frame.is_array for frame in self._frames):
            return max(1, len(self._frames))
        return len(self._frames) + max((len(path) for path in self._paths), default=0) + 1


def _key(piece: bytes) -> str | None:
    found = _KEY.fullmatch(piece)
    try:
        return json.loads(found[1]) if found else None
    except ValueError:
        return None
