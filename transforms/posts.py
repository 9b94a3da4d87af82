"""Lines of JSONL files to posts, without Beam."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from models.shards.address import found_files, open_file, resolve
from transforms.lines import DamagedError, TooLong, read_lines
from transforms.records import Post, Reject, Slice

FIRST_SLICE_LINES, LARGEST_SLICE_LINES, LARGEST_SLICE_BYTES = 64, 1024, 4 * 2**20
"""Slices double from 64 lines: the first rows are out within seconds, yet large files make few output files."""

MAX_NESTING = 100
"""Of JSON. The parser's own limit is what is left of the stack, which is not the same in every runner."""

POSTS_FILE = re.compile(r"/[^/.][^/]*\.jsonl(\.(gz|bz2|zst))?$", re.IGNORECASE)
"""What counts as a posts file in a folder."""

_BOM = b"\xef\xbb\xbf"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def find(pattern: str, option: str) -> list[str]:
    """Addresses of the posts files that a path, glob or folder names, sorted.

    Raises:
        ValueError: it names nothing; the message tells the option and the value.
    """
    filesystem, path = resolve(pattern)
    if filesystem.isdir(path):
        names = [name for name in filesystem.glob(f"{glob.escape(path.rstrip('/'))}/*") if POSTS_FILE.search(name)]
        if not names:
            raise ValueError(f"{option} {pattern!r} is a folder without a .jsonl file, compressed or not")
    else:
        names = filesystem.glob(glob.escape(path) if filesystem.exists(path) else path)
    return found_files(filesystem, names, pattern, option)


def parse_post(line: bytes, source: str, number: int) -> Post | Reject:
    """The post that a line holds, or why it holds none. Never raises. Of duplicate fields the last one counts."""

    def reject(reason: str) -> Reject:
        return Reject.cut("post", reason, source, number, line)

    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return reject("not_utf8")
    if _is_too_deep(line):
        return reject("too_deep")
    try:
        fields: dict[str, msgspec.Raw] = _OBJECT.decode(line)
    except msgspec.ValidationError:
        return reject("not_an_object")
    except msgspec.DecodeError:
        return reject("bad_string" if _has_lone_surrogate(line) else "not_json")
    try:
        identifier = _field(fields, "id", str | int)
        text = _field(fields, "text", str)
        images = _field(fields, "images", list[str] | None)
    except msgspec.DecodeError:
        return reject("wrong_type")
    if identifier is None:
        return reject("no_id")
    if text is None:
        return reject("no_text")
    extra = msgspec.json.encode(fields).decode() if fields else None
    return Post(str(identifier), text, tuple(images or ()), extra, source, number)


def _is_too_deep(line: bytes) -> bool:
    if line.count(b"[") + line.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(line):
        sign = found[0]
        depth += (sign in b"[{") - (sign in b"]}")
        if depth > MAX_NESTING:
            return True
    return False


def _has_lone_surrogate(line: bytes) -> bool:
    """Whether the line is JSON but for half a surrogate pair, as emoji cut in two leave it: no text file can hold that."""
    try:
        json.dumps(json.loads(line), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except ValueError:
        return False
    return False


def _field(fields: dict[str, msgspec.Raw], name: str, kind: Any) -> Any:
    raw = fields.pop(name, None)
    return None if raw is None else msgspec.json.decode(raw, type=kind)


def read_slices(source: str, max_line_bytes: int, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Slice]:
    """Slices of one file, in order, in bounded memory.

    A compressed file that is damaged gives what can be read of it, and one reject of stage `shard`, which is no line.

    Args:
        source: address of the file.
        max_line_bytes: longer lines become rejects and are skipped without being held.
        wanted: tells by its name whether a slice is; of others the lines are counted, not parsed.

    Raises:
        OSError: the file cannot be read, which may pass; so it is no damage to be recorded.
    """
    building = _Building(source, 1)
    broken: Reject | None = None
    try:
        with open_file(source) as file:
            for line in read_lines(file, source, max_line_bytes):
                building.add(line)
                if building.is_full():
                    if wanted(building.name):
                        yield building.slice()
                    building = building.following()
    except DamagedError as error:
        broken = Reject.cut("shard", "unreadable_posts", source, None, str(error))
    if (building.lines or broken) and wanted(building.name):
        yield building.slice(broken)


class _Building:
    """A slice that is being filled."""

    def __init__(self, source: str, first_line: int, target_lines: int = FIRST_SLICE_LINES) -> None:
        self.source = source
        self.first_line = first_line
        self.target_lines = target_lines
        self.lines: list[bytes] = []
        self.bytes = 0

    @property
    def name(self) -> str:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", self.source.rstrip("/").rsplit("/", 1)[-1].split(".")[0])[:60]
        return f"{stem}-{hashlib.sha256(self.source.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-{self.first_line:09d}"

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.bytes += len(line)

    def is_full(self) -> bool:
        return len(self.lines) >= self.target_lines or self.bytes >= LARGEST_SLICE_BYTES

    def following(self) -> _Building:
        return _Building(self.source, self.first_line + len(self.lines), min(2 * self.target_lines, LARGEST_SLICE_LINES))

    def slice(self, broken: Reject | None = None) -> Slice:
        posts: list[Post] = []
        rejects: list[Reject] = []
        blanks = 0
        for number, line in enumerate(self.lines, start=self.first_line):
            if isinstance(line, TooLong):
                rejects.append(Reject.cut("post", "too_long", self.source, number, bytes(line)))
                continue
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                blanks += 1
                continue
            parsed = parse_post(line, self.source, number)
            if isinstance(parsed, Post):
                posts.append(parsed)
            else:
                rejects.append(parsed)
        if broken:
            rejects.append(broken)
        return Slice(self.name, self.source, self.first_line, len(self.lines), blanks, tuple(posts), tuple(rejects))
