"""Cut a large posts file into pieces that several workers read.

Where a slice begins depends on the sizes of all entries before it. So one worker splits the whole file into entries, without
parsing them, and notes where the slices begin. `bench.cutting` measures what that costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from archive.posts.fields.presets import Fields
from archive.posts.packing import DamagedError
from archive.posts.places import Batch, Place, read_batches, why_whole
from archive.posts.records import Entry
from archive.posts.slice_builder import SliceBuilder
from archive.stores import version_of

PIECE_BYTES = 2**20
"""Entries of a piece, at least."""

_UNPACKED_SHARE = 16
"""How many bytes of entries a byte of a packed file is taken for, to tell files that are too small to be cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold where consecutive slices of a posts file are.

    Attributes:
        place: where reading begins.
        dropped_entries: how many entries between the place and the first slice.
        first_line: see `Slice`, of the first slice.
        target_lines: entries after which the first slice is full.
        slices: name and number of lines of each slice.
        end: how many bytes of the file are read; None for the last piece, which goes to the end of the file.
    """

    place: Place
    dropped_entries: int
    first_line: int
    target_lines: int
    slices: tuple[tuple[str, int], ...] = ()
    end: int | None = None


def cut(source: str, max_line_bytes: int, fields: Fields) -> Iterator[Piece | None]:
    """Yield the pieces of a file, in order, each as soon as it is found; one None for a file that is small or has no places.

    Args:
        source: address of the file.
        max_line_bytes: as for `read_slices`.
        fields: as for `read_slices`.

    Raises:
        OSError: the file cannot be read.
    """
    if version_of(source)[0] <= PIECE_BYTES // _UNPACKED_SHARE or why_whole(source, max_line_bytes):
        yield None
        return
    building = SliceBuilder(source, 1)
    piece: Piece | None = None
    slices: list[tuple[str, int]] = []
    piece_bytes = 0
    is_damaged = False
    try:
        for batch, number, entry in islice(_entries(read_batches(source, max_line_bytes, fields.each_paths)), fields.lines):
            if not building.entries and (piece is None or (piece_bytes >= PIECE_BYTES and batch.place.start != piece.place.start)):
                if piece:
                    yield replace(piece, slices=tuple(slices), end=batch.read_bytes)
                piece, slices, piece_bytes = Piece(batch.place, number, building.first_line, building.target_lines), [], 0
            if building.add(entry):
                slices.append((building.name, len(building.entries)))
                piece_bytes += building.bytes + len(building.entries)  # blank lines take space too
                building = building.following()
    except DamagedError:
        is_damaged = True  # reading the last piece tells it
    if building.entries or is_damaged:
        slices.append((building.name, len(building.entries)))
    yield replace(piece, slices=tuple(slices)) if piece else None


def _entries(batches: Iterable[Batch]) -> Iterator[tuple[Batch, int, Entry]]:
    """Yield each entry with its batch, and how many entries are between its place and it."""
    for batch in batches:
        for number, entry in enumerate(batch.entries, start=batch.dropped_entries):
            yield batch, number, entry
