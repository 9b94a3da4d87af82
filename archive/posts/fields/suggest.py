"""Name the fields of records, and guess which hold the id and the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archive.posts.fields.paths import Scope, decoded

MOST_KEYS = 12

_TEXTS = ("full_text", "text", "content", "body", "message", "tweet", "post", "caption", "comment", "title", "description", "sentence")
_IDS = ("id_str", "id", "_id", "tweet_id", "post_id", "status_id", "message_id", "comment_id", "uid", "uuid", "guid", "uri", "url")
_ID = re.compile(r"(?:^|[^A-Za-z])id(?:_str)?$|[a-z]I[dD]$", re.IGNORECASE)
_UNNAMED = re.compile(r"column\d+")  # of a table without a header
_ODD = re.compile(r"[\\\[\]=,+.^\"']")


def keys_of(scopes: Sequence[Scope]) -> list[str]:
    """Return the paths of the fields of some records, those of objects in objects too; `…` stands for the rest."""
    keys = list(dict.fromkeys(path for scope in scopes for path, _ in _paths(scope.fields)))
    return [*keys[:MOST_KEYS], "…"] if len(keys) > MOST_KEYS else keys


def guess_text(scopes: Sequence[Scope]) -> str | None:
    """Return the path of a field that holds texts and whose name says so, or None."""
    held = _held(scopes, str)
    named = next((path for name in _TEXTS for path in held if _last(path) == name), None)
    like = [path for path in held if any(name in _last(path) for name in _TEXTS) or _UNNAMED.fullmatch(path)]
    return named or max(like, key=lambda path: _words(scopes, path), default=None)


def _words(scopes: Sequence[Scope], path: str) -> int:
    """Return how many words a field holds in all records."""
    found = (dict(_paths(scope.fields)).get(path) for scope in scopes)
    return sum(len(value.split()) for value in found if isinstance(value, str))


def columns_as_fields(scopes: Sequence[Scope]) -> bool:
    """True if a record is a whole table, as pandas writes it by default: fields that hold a value for each row."""
    inner = [decoded(value) for value in scopes[0].fields.values()] if len(scopes) == 1 else []
    by_row = bool(inner) and all(isinstance(value, Mapping) and "0" in value for value in inner)
    return (
        by_row or (bool(scopes) and {"columns", "data"} <= scopes[0].fields.keys()) or (bool(inner) and set(scopes[0].fields) >= {"0", "1"})
    )


def guess_id(scopes: Sequence[Scope]) -> str | None:
    """Return the path of a field that holds integers or texts and whose name says that it is an id, or None."""
    held = _held(scopes, str | int)
    return next((path for name in _IDS for path in held if _last(path) == name), None) or next(
        (path for path in held if "." not in path and _ID.search(path)), None
    )


def _held(scopes: Sequence[Scope], kind: Any) -> list[str]:
    """Return the paths that hold a kind of value, the shortest first."""
    found = (path for scope in scopes for path, value in _paths(scope.fields) if isinstance(value, kind) and not isinstance(value, bool))
    return sorted(dict.fromkeys(found), key=lambda path: path.count("."))


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1].lower()


def _paths(fields: Mapping[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the paths and values of an object, three levels deep, as one writes them in an option."""
    for name, value in fields.items():
        shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in str(name)[:60])
        path = before + _ODD.sub(r"\\\g<0>", shown)
        inner = decoded(value)
        if isinstance(inner, Mapping) and inner and depth < 2:
            yield from _paths(inner, f"{path}.", depth + 1)
        else:
            yield path, inner
