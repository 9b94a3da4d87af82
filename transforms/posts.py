"""Lines of JSONL files to posts, without Beam."""

from __future__ import annotations

import bz2
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import fsspec
import msgspec
import zstandard

from transforms.records import PAYLOAD_BYTES, Post, Reject, Slice

FIRST_SLICE_LINES, LARGEST_SLICE_LINES, LARGEST_SLICE_BYTES = 64, 1024, 4 * 2**20
"""Slices double from 64 lines: the first rows are out within seconds, yet large files make few output files."""

COMPRESSIONS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bz2": bz2.BZ2Decompressor,
    "zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
CHUNK_BYTES = 2**13
"""Small, so that no chunk of a compression bomb unpacks to more than some hundred megabytes."""

_BROKEN_FILE = (OSError, EOFError, zlib.error, zstandard.ZstdError)
_BOM = b"\xef\xbb\xbf"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def find(pattern: str, option: str) -> list[str]:
    """Addresses of the posts files that a path, glob or folder names, sorted.

    Raises:
        ValueError: it names nothing; the message tells the option and the value.
    """
    filesystem, path = fsspec.core.url_to_fs(pattern)
    if filesystem.isdir(path):
        path = f"{path.rstrip('/')}/*.jsonl*"
    found = [name for name in sorted(filesystem.glob(path)) if not filesystem.isdir(name)]
    if not found:
        raise ValueError(f"{option} matched no file: {pattern!r}")
    return [filesystem.unstrip_protocol(name) if "://" in pattern else name for name in found]


def parse_post(line: bytes, source: str, number: int) -> Post | Reject:
    """The post that a line holds, or why it holds none. Never raises. Of duplicate fields the last one counts."""

    def reject(reason: str) -> Reject:
        return Reject.cut("post", reason, source, number, line)

    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return reject("not_utf8")
    try:
        fields: dict[str, msgspec.Raw] = _OBJECT.decode(line)
    except msgspec.ValidationError:
        return reject("not_an_object")
    except (msgspec.DecodeError, RecursionError):
        return reject("not_json")
    try:
        identifier = _field(fields, "id", str | int)
        text = _field(fields, "text", str)
        images = _field(fields, "images", list[str] | None)
    except (msgspec.DecodeError, RecursionError):
        return reject("wrong_type")
    if identifier is None:
        return reject("no_id")
    if text is None:
        return reject("no_text")
    extra = msgspec.json.encode(fields).decode() if fields else None
    return Post(str(identifier), text, tuple(images or ()), extra, source, number)


def _field(fields: dict[str, msgspec.Raw], name: str, kind: Any) -> Any:
    raw = fields.pop(name, None)
    return None if raw is None else msgspec.json.decode(raw, type=kind)


def read_slices(source: str, max_line_bytes: int) -> Iterator[Slice]:
    """Slices of one file, in order, in bounded memory.

    A compressed file that is damaged gives what can be read of it, and one reject of stage `shard`, which is no line.

    Args:
        source: address of the file.
        max_line_bytes: longer lines become rejects and are skipped without being held.
    """
    building = _Building(source, 1)
    broken: Reject | None = None
    try:
        with fsspec.open(source, "rb") as file:
            for line in _lines(_unpacked(file, source), max_line_bytes):
                building.add(line)
                if building.is_full():
                    yield building.slice()
                    building = building.following()
    except _BROKEN_FILE as error:
        broken = Reject.cut("shard", "unreadable_posts", source, None, f"{type(error).__name__}: {error}")
    if broken:
        building.rejects.append(broken)
    if building.lines or broken:
        yield building.slice()


class _Building:
    """A slice that is being filled."""

    def __init__(self, source: str, first_line: int, target_lines: int = FIRST_SLICE_LINES) -> None:
        self.source = source
        self.first_line = first_line
        self.target_lines = target_lines
        self.lines = self.blanks = self.bytes = 0
        self.posts: list[Post] = []
        self.rejects: list[Reject] = []

    def add(self, line: bytes) -> None:
        number = self.first_line + self.lines
        self.lines += 1
        self.bytes += len(line)
        if isinstance(line, _TooLong):
            self.rejects.append(Reject.cut("post", "too_long", self.source, number, bytes(line)))
        elif not line.strip():
            self.blanks += 1
        else:
            parsed = parse_post(line, self.source, number)
            if isinstance(parsed, Post):
                self.posts.append(parsed)
            else:
                self.rejects.append(parsed)

    def is_full(self) -> bool:
        return self.lines >= self.target_lines or self.bytes >= LARGEST_SLICE_BYTES

    def following(self) -> _Building:
        return _Building(self.source, self.first_line + self.lines, min(2 * self.target_lines, LARGEST_SLICE_LINES))

    def slice(self) -> Slice:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", self.source.rstrip("/").rsplit("/", 1)[-1].split(".")[0])[:60]
        name = f"{stem}-{hashlib.sha256(self.source.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-{self.first_line:09d}"
        return Slice(name, self.source, self.first_line, self.lines, self.blanks, tuple(self.posts), tuple(self.rejects))


class _TooLong(bytes):
    """The beginning of a line that is too long to be held."""


def _lines(chunks: Iterator[bytes], max_line_bytes: int) -> Iterator[bytes]:
    """Lines without their ends. A half line before a break in the file is a line too; the break is raised after it."""
    held, too_long, is_first = bytearray(), None, True
    broken: BaseException | None = None
    while True:
        try:
            chunk = next(chunks, None)
        except _BROKEN_FILE as error:
            chunk, broken = None, error
        if chunk is None:
            break
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line = bytes(held) + part if held else part
            held.clear()
            if too_long is not None or len(line) > max_line_bytes:
                line = too_long or _TooLong(line[:PAYLOAD_BYTES])
                too_long = None
            yield line.removeprefix(_BOM) if is_first else line
            is_first = False
        held += rest
        if too_long is not None or len(held) > max_line_bytes:
            too_long = too_long or _TooLong(held[:PAYLOAD_BYTES])
            held.clear()
    if held or too_long is not None:
        line = too_long or bytes(held)
        yield line.removeprefix(_BOM) if is_first else line
    if broken:
        raise broken


def _unpacked(file: IO[bytes], source: str) -> Iterator[bytes]:
    """The file's content in pieces; compression is told by the name, and a file may hold several compressed parts.

    Decompressors are fed by hand, since readers of whole streams drop what they hold when the file breaks off, or do
    not tell that it did.

    Raises:
        EOFError: the file ends inside a compressed part.
    """
    unpacker = COMPRESSIONS.get(source.rsplit(".", 1)[-1].lower())
    if unpacker is None:
        while raw := file.read(CHUNK_BYTES):
            yield raw
        return
    part: Any = None
    while raw := file.read(CHUNK_BYTES):
        while raw:
            part = part or unpacker()
            yield part.decompress(raw)
            raw = part.unused_data if part.eof else b""
            part = None if part.eof else part
    if part:
        raise EOFError("the file is cut short")
