"""Read the rows of a table whose columns are separated by a character: CSV, TSV.

Python's reader, since pyarrow's ends at a row longer than its block, and at an unclosed quote.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from archive.posts.formats.lines import read_lines
from archive.posts.formats.too_long import TooLong
from archive.posts.packing.stream import DamagedError
from archive.posts.records import Entry, Reject

csv.field_size_limit(2**31 - 1)  # rows are bounded here instead, all columns together


def delimited_entries(chunks: Iterable[bytes], source: str, delimiter: str, max_row_bytes: int, has_header: bool = True) -> Iterator[Entry]:
    """Yield the rows below the header, numbered from 1, as text by column; an empty cell is None.

    Without a header the columns are `column1`, `column2` and so on. A quote that is not closed counts as a character, and its row
    ends with its line.

    Raises:
        DamagedError: the stream is damaged; raised after all readable rows.
    """
    lines = _Lines(chunks, max_row_bytes)
    names: list[str] | None = None
    number = 0
    for row in _rows(lines, delimiter):
        if names is None and isinstance(row, list) and not has_header:
            names = [f"column{column}" for column in range(1, len(row) + 1)]
        elif names is None and isinstance(row, list):
            names = [cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for cell in row]
            continue
        number += 1
        yield Entry(_record(names or [], row, source, number, delimiter), source, number)
    if lines.damage:
        raise lines.damage


def _record(names: list[str], row: list[str] | TooLong, source: str, number: int, delimiter: str) -> dict[str, Any] | Reject | TooLong:
    if isinstance(row, TooLong):
        return row

    def reject(reason: str) -> Reject:
        return Reject.cut("post", reason, source, number, delimiter.join(row).encode("utf-8", "surrogateescape"))

    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return reject("not_utf8")
    if len(row) != len(names):
        return reject("bad_row")
    return {name: cell or None for name, cell in zip(names, row, strict=True)}


class _Lines:
    """Give the lines of a table to a CSV reader and keep those of the current row."""

    def __init__(self, chunks: Iterable[bytes], max_row_bytes: int) -> None:
        self._lines = chain.from_iterable(read_lines(chunks, max_row_bytes))
        self._max_row_bytes = max_row_bytes
        self.row: list[str] = []
        self.row_bytes = 0
        self.is_unclosed = False
        self.damage: DamagedError | None = None
        self.too_long: TooLong | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except DamagedError as error:
            self.damage = error
            line = None
        except StopIteration:
            line = None
        if line is None or isinstance(line, TooLong) or self.row_bytes + len(line) > self._max_row_bytes:
            self.is_unclosed = bool(self.row)  # a reader asks for a second line only inside a quote
            self.too_long = line if isinstance(line, TooLong) else None
            if line is not None and self.too_long is None:
                self.row.append(_text(line))
            raise StopIteration
        self.row.append(_text(line))
        self.row_bytes += len(line)
        return self.row[-1]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape") + "\n"


def _rows(lines: _Lines, delimiter: str) -> Iterator[list[str] | TooLong]:
    while True:
        lines.row, lines.row_bytes, lines.is_unclosed, lines.too_long = [], 0, False, None
        try:
            row = next(csv.reader(lines, delimiter=delimiter), None)
        except csv.Error:  # a carriage return inside a cell without quotes
            row, lines.is_unclosed = [], True
        if lines.is_unclosed:
            yield from _without_quotes(lines.row, delimiter)
        elif row:
            yield row
        if lines.too_long is not None:
            yield lines.too_long
        elif row is None:
            return


def _without_quotes(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    lines = [line.rstrip("\r\n").replace("\r", " ") for line in lines]
    yield from (cells for cells in csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE) if cells)
