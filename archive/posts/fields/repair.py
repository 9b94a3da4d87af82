"""Repair JSON that most tools write or read, but that is no JSON: half emoji, CESU-8, NaN."""

from __future__ import annotations

import re

_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?Infinity|NaN', re.DOTALL)
_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F][0-9a-fA-F]{2}).)|\\u.{4}", re.DOTALL
)
_CESU_8 = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]|\xed[\xa0-\xbf][\x80-\xbf]")


def repair_encoding(data: bytes) -> bytes:
    """Return data with CESU-8 pairs (an emoji as two encoded surrogates) as UTF-8, and half pairs as U+FFFD."""
    return _CESU_8.sub(_as_utf_8, data)


def repair_json(data: bytes) -> bytes:
    r"""Return JSON with `\ud83d` without its other half as U+FFFD, and NaN and Infinity as null. The rest stays as it is."""
    return _STRING_OR_NUMBER.sub(_as_json, data)


def _as_utf_8(found: re.Match[bytes]) -> bytes:
    return found[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _as_json(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if not text.startswith(b'"'):
        return b"null"
    return _ESCAPES.sub(lambda escape: escape[1] or rb"\ufffd", text) if rb"\u" in text else text
