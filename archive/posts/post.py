"""Convert a record of any format to a post."""

from __future__ import annotations

from typing import Any

import msgspec

from archive.posts.records import Post, Record, Reject


def make_post(record: Record) -> Post | Reject:
    """Return the post of a record, or why there is none. Never raises because of a record's content."""

    def reject(reason: str) -> Reject:
        return Reject.cut("post", reason, record.source, record.line, record.payload)

    fields = dict(record.fields)
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
    return Post(str(identifier), text, tuple(images or ()), extra, record.source, record.line)


def _field(fields: dict[str, Any], name: str, kind: Any) -> Any:
    value = fields.pop(name, None)
    if value is None:
        return None
    return msgspec.json.decode(value, type=kind) if isinstance(value, msgspec.Raw) else msgspec.convert(value, kind)
