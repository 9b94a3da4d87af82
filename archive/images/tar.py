"""Index tar shards in WebDataset format: member `123.jpg` has the key `123.jpg`."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator

from archive.images.member import End, Link, Member, ShardProblem
from archive.images.tar_header import BLOCK, Header, HeaderError, is_header, parse
from archive.images.window import Window

_ZEROS = b"\0" * BLOCK
_SCANNED_BLOCKS = 128


def index(shard: str, window: Window, start: int = 0) -> Iterator[tuple[str, Member | Link] | ShardProblem | End]:
    """Yield the members of a tar shard from a position on, header by header, and at last where they end.

    Blocks of zeros do not end a shard: `cat a.tar b.tar` has them in the middle. A damaged header is skipped to the
    next block that is a header. The bytes in between are a problem.
    """
    position = end = start
    has_mark = False
    while position < window.size:
        block = window.read(position, BLOCK)
        if block == _ZEROS[: len(block)] and window.size >= BLOCK:
            has_mark = True
            position = _next_block(window, position, lambda block: block != _ZEROS[: len(block)])
            continue
        try:
            header = parse(window, position)
        except HeaderError as error:
            following = _next_block(window, error.position + BLOCK, is_header)
            yield ShardProblem(shard, *_no_header(window, position, following, error, has_mark))
            position, has_mark = following, True
            continue
        yield from _member(shard, header, window.size)
        if header.following > window.size:
            has_mark = header.data + header.size > window.size  # that it is cut was told with the member
            break
        position = end = header.following
        has_mark = False
    if not window.size:
        yield ShardProblem(shard, "empty", "a file of 0 bytes")
    elif not has_mark:
        yield ShardProblem(shard, "truncated", f"no end mark at byte {window.size}")
    yield End(end)


def _member(shard: str, header: Header, file_size: int) -> Iterator[tuple[str, Member | Link] | ShardProblem]:
    if header.data + header.size > file_size:
        yield ShardProblem(shard, "truncated", _readable(header.name))
    if header.kind in b"5D":  # folders; GNU's lists of what a folder held
        return
    try:
        name = _without_dot(header.name.decode())
    except UnicodeDecodeError:
        yield ShardProblem(shard, "undecodable_name", _readable(header.name))
        return
    if header.kind == ord("0"):
        yield name, Member(shard, header.data, header.size)
    elif header.kind in b"12" and (link := _link(name, header)):
        yield name, link
    else:
        yield ShardProblem(shard, "unsupported_packing" if header.kind == ord("S") else "not_a_file", name)


def _link(name: str, header: Header) -> Link | None:
    """Return the link of a header: a hard link holds a member's name, a symbolic one a path from its own folder."""
    return Link.inside(header.target, posixpath.dirname(name) if header.kind == ord("2") else "")


def _no_header(window: Window, position: int, following: int, error: HeaderError, has_mark: bool) -> tuple[str, str]:
    """Return reason and detail of bytes that are no headers."""
    if following < window.size:
        return "damaged", f"bytes {position} to {following} are no member ({error}); read on from byte {following}"
    if 0 < position > window.size - BLOCK and not has_mark:
        return "truncated", f"the file ends in a header, at byte {position}"
    return "damaged", f"no readable header from byte {position} to the end at byte {window.size}: {error}"


def _next_block(window: Window, position: int, is_wanted: Callable[[bytes], bool]) -> int:
    """Return the first position, in steps of a block, whose block is wanted, or the file's size."""
    while blocks := window.read(position, _SCANNED_BLOCKS * BLOCK):
        for begin in range(0, len(blocks), BLOCK):
            if is_wanted(blocks[begin : begin + BLOCK]):
                return position + begin
        position += len(blocks)
    return window.size


def _without_dot(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _readable(name: bytes) -> str:
    return name.decode(errors="backslashreplace")
