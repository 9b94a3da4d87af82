"""Tell the format of a file by its first bytes."""

from __future__ import annotations

import csv
import re
from typing import Literal, NamedTuple

from archive.posts.formats.structure import OPEN_ARRAY, OPEN_OBJECT, Structure
from archive.posts.packing.stream import CHUNK_BYTES, Stream

Format = Literal["JSON lines", "JSON document", "JavaScript", "Parquet", "CSV", "TSV", "unknown"]

HEAD_BYTES = 2**16
DELIMITERS: dict[str, Format] = {"\t": "TSV", ",": "CSV", ";": "CSV"}

_LEAST_COLUMNS = 3
"""Of a table without a header: prose has commas too."""

_MAX_NAME_CHARACTERS, _MAX_NAME_WORDS = 64, 4
_SPACE = b" \t\r\n\xef\xbb\xbf"
_ASSIGNMENT = re.compile(rb"(?:(?:export|var|let|const)\s+)?[\w$.]+\s*=\s*[\[{]")
_OBJECT_LINE = re.compile(rb"^\s*\{\s*[\"'}].*\}\s*$", re.MULTILINE)


def format_of(stream: Stream, max_line_bytes: int) -> Format:
    """Return the format of an unpacked file in UTF-8. It is `unknown` if nothing says that the file holds records."""
    head = stream.peek(HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return "Parquet"
    text = head.lstrip(_SPACE)
    if text.startswith(b"\x1e"):
        return "JSON document"
    if text[:1] in (b"{", b"["):
        return _kind_of_json(stream, max_line_bytes)
    if _ASSIGNMENT.match(text):
        return "JavaScript"
    table = table_of(head)
    if _OBJECT_LINE.search(head) and not (table and table.has_header):
        return "JSON lines"
    return DELIMITERS[table.delimiter] if table else "unknown"


def _kind_of_json(stream: Stream, max_line_bytes: int) -> Format:
    """Tell lines from a document by the first line: an object that ends on it is a line."""
    head = stream.peek(HEAD_BYTES).lstrip(_SPACE)
    if head.startswith(b"{") and b"\n" not in head:
        head = stream.peek(max_line_bytes + HEAD_BYTES).lstrip(_SPACE)
    line, newline, following = head.partition(b"\n")
    structure, innermost = Structure(), OPEN_OBJECT
    end = 0
    for start in range(0, len(line), CHUNK_BYTES):
        marks = structure.marks(line[start : start + CHUNK_BYTES], len(line))
        innermost = next((sign for _, level, sign in reversed(marks) if level == structure.depth - 1), innermost)
        end = end or next((start + position + 1 for position, level, _ in marks if level == 0 and start + position), 0)
    if structure.in_string and newline:
        return "JSON lines"  # a line that was cut: no string goes on behind a line end
    if structure.depth or structure.in_string:
        return "JSON document" if _goes_on(line, innermost, following) else "JSON lines"
    is_joined = line[end:].lstrip().startswith(b",")
    return "JSON document" if line.startswith(b"[") or is_joined else "JSON lines"


def _goes_on(line: bytes, innermost: int, following: bytes) -> bool:
    """Return whether the next line can continue a value that is open at the end of a line."""
    if following.lstrip()[:1] not in (b"{", b"["):
        return True
    last = line.rstrip()[-1:]
    return last in (b"[", b":") or (last == b"," and innermost == OPEN_ARRAY)


class Table(NamedTuple):
    """Hold what separates the columns of a table, and whether its first row names them."""

    delimiter: str
    has_header: bool


def table_of(head: bytes) -> Table | None:
    """Return how a table is written, None if this is none: rows of the same width, or a header and rows below."""
    lines = head.decode("utf-8", "replace").splitlines()
    if len(head) >= HEAD_BYTES and len(lines) > 2:
        lines.pop()
    first = next((line for line in lines if line.strip()), "")
    without_header: Table | None = None
    for delimiter in sorted(DELIMITERS, key=first.count, reverse=True):
        try:
            rows = [row for _, row in zip(range(3), csv.reader(lines, delimiter=delimiter), strict=False)]
        except csv.Error:
            continue
        if rows and _is_header(rows[0]) and (not rows[1:] or any(len(row) == len(rows[0]) for row in rows[1:])):
            return Table(delimiter, True)
        if len(rows) > 1 and len(rows[0]) >= _LEAST_COLUMNS and len({len(row) for row in rows}) == 1 and first[:1] not in "<{[/#":
            without_header = without_header or Table(delimiter, False)
    return without_header


def _is_header(cells: list[str]) -> bool:
    names = [cell.strip() for cell in cells]
    return len(names) > 1 and all(names[1:]) and len(set(names)) == len(names) and all(map(_is_name, names))


def _is_name(text: str) -> bool:
    is_short = len(text) <= _MAX_NAME_CHARACTERS and len(text.split()) <= _MAX_NAME_WORDS
    return is_short and (text.isprintable() or not text) and text[:1] not in ("<", "{", "[")
