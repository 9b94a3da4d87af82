"""Convert text with a byte order mark to UTF-8 without one."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from archive.posts.packing.stream import CHUNK_BYTES, Stream

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def is_utf16(stream: Stream) -> bool:
    """Return whether a stream begins with a byte order mark of UTF-16."""
    return stream.peek(2) in _UTF16


def utf8(stream: Stream) -> Stream:
    """Return a stream in UTF-8. Half of a surrogate pair and an odd byte at the end become U+FFFD."""
    encoding = _UTF16.get(stream.peek(2))
    if encoding:
        stream.read(2)
        return Stream(_transcoded(stream, encoding))
    if stream.peek(3) == codecs.BOM_UTF8:
        stream.read(3)
        return Stream(stream)
    return stream


def _transcoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        text = decoder.decode(chunk).encode()
        yield from (text[start : start + CHUNK_BYTES] for start in range(0, len(text), CHUNK_BYTES))
    yield decoder.decode(b"", final=True).encode()
