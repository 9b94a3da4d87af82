"""Read the slices of a posts file, the unit of work and of output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from archive.posts.entries import read_entries
from archive.posts.fields.presets import Fields
from archive.posts.other_members import without_other_members
from archive.posts.packing import DamagedError
from archive.posts.pieces import Piece
from archive.posts.places import read_from
from archive.posts.records import Reject, Slice
from archive.posts.slice_builder import SliceBuilder


def read_slices(
    source: str,
    max_line_bytes: int,
    fields: Fields,
    wanted: Callable[[str, int], bool] = lambda name, lines: True,
    piece: Piece | None = None,
) -> Iterator[Slice]:
    """Yield the slices of one file, in order, in bounded memory.

    A damaged file yields its readable entries, and one reject of stage `shard`, which has no line number.

    Args:
        source: address of the file.
        max_line_bytes: longer lines become rejects and are not kept in memory.
        fields: which fields make a post.
        wanted: returns True for the name and the number of lines of a slice to yield. Other slices are not parsed.
        piece: the part of the file that is read, from `cut`; None for all of it.

    Raises:
        OSError: the file cannot be read, or was changed since it was cut. This may be temporary, so it is not recorded as
            damage.
    """
    if piece:
        building = SliceBuilder(source, piece.first_line, piece.target_lines)
        entries = read_from(source, max_line_bytes, fields.each_paths, piece.place, piece.end)
        entries = islice(entries, piece.dropped_entries, None)
    else:
        building = SliceBuilder(source, 1)
        entries = without_other_members(read_entries(source, max_line_bytes, fields.each_paths), source, fields)
    left = len(piece.slices) if piece and piece.end is not None else 0
    broken: Reject | None = None
    try:
        for entry in islice(entries, None if fields.lines is None else fields.lines + 1 - building.first_line):
            if building.add(entry):
                if wanted(building.name, len(building.entries)):
                    yield building.slice(fields)
                building = building.following()
                left -= 1
                if left == 0:
                    return
    except DamagedError as error:
        broken = Reject.cut("shard", "unreadable_posts", source, None, str(error))
    if left > 0:
        raise OSError(f"{source} was changed while it was read")
    if (building.entries or broken) and wanted(building.name, len(building.entries)):
        yield building.slice(fields, broken)
