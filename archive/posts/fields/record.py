"""Decode one JSON object, its fields still encoded."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from archive.posts.fields.repair import repair_encoding, repair_json

MAX_NESTING = 100
"""Limit for nested JSON. The parser's own limit depends on the free stack, which differs between runners."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read_fields(data: bytes) -> dict[str, Any] | str:
    """Return the fields of a JSON object, or the reason why there are none. Never raises.

    Values stay encoded (`msgspec.Raw`), so a field that is not used is never decoded. Of a repeated field the last counts.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        data = repair_encoding(data)
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return "not_utf8"
    if _is_too_deep(data):
        return "too_deep"
    try:
        return _OBJECT.decode(data)
    except msgspec.DecodeError:
        data = repair_json(data)
    try:
        return _OBJECT.decode(data)
    except msgspec.ValidationError:
        return "not_an_object" if _is_json(data) else "not_json"
    except msgspec.DecodeError:
        return "not_json"


def _is_json(data: bytes) -> bool:
    """True if data is one JSON value. The decoder of objects stops at the first sign of another value."""
    try:
        _ANYTHING.decode(data)
    except msgspec.DecodeError:
        return False
    return True


def _is_too_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(data):
        sign = found[0]
        depth += (sign in b"[{") - (sign in b"]}")
        if depth > MAX_NESTING:
            return True
    return False
