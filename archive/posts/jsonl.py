"""Read a line of JSON as a record. For another posts format add a module like this one."""

from __future__ import annotations

import json
import re

import msgspec

from archive.posts.records import Record, Reject

MAX_NESTING = 100
"""Limit for nested JSON. The parser's own limit depends on the free stack, which differs between runners."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read_record(line: bytes, source: str, number: int) -> Record | Reject:
    """Return the record of a line, or why there is none. Never raises. If a field is repeated, the last one counts.

    Values stay encoded (`msgspec.Raw`) until they are used, so an unused field is never decoded.
    """

    def reject(reason: str) -> Reject:
        return Reject.cut("post", reason, source, number, line)

    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return reject("not_utf8")
    if _is_too_deep(line):
        return reject("too_deep")
    try:
        return Record(_OBJECT.decode(line), source, number, line)
    except msgspec.ValidationError:
        return reject("not_an_object")
    except msgspec.DecodeError:
        return reject("bad_string" if _has_lone_surrogate(line) else "not_json")


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
    """True if the line is valid JSON except for an unpaired surrogate (half an emoji), which UTF-8 cannot encode."""
    try:
        json.dumps(json.loads(line), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except ValueError:
        return False
    return False
