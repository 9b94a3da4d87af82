"""Evaluate field paths on records, decoding only the fields that a path needs.

    commit.record.text            a field of an object in an object
    includes.media[].url          of every element of a list
    ^meta.newest_id               of the object around the record in its document
    ^media[key=attachments.keys]  the elements whose `key` is among the values of `attachments.keys` of the record
    refs[type='retweeted'].id     the elements whose `type` is that word
    url['//i.']                   a text that holds these signs
    a,b                           the first that is there: not null, no empty text or list
    a+b                           all that are there: texts with a blank line between, lists one after the other
    id'-'media[].url              every picture of the second path, with the first and the sign before its file name

`\\` before a sign of the above makes it part of a name; so do double quotes around a name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from archive.posts.fields.repair import repair_encoding, repair_json
from archive.posts.fields.syntax import Prefixed, Step, Term

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()

MAX_VALUES = 10_000
"""Limit for the values of one path in one record: lists in lists multiply."""


class Scope(NamedTuple):
    """Hold what a path may read: the fields of a record, and of the object around it."""

    fields: Mapping[str, Any]
    context: Mapping[str, Any] | None


def decoded(value: Any) -> Any:
    """Return a value as Python objects. A number out of range of a double is infinity."""
    return _decode(_ANY, value, math.inf) if type(value) is msgspec.Raw else value


def values(term: Term, scope: Scope) -> list[Any]:
    """Return the values of a path, None where a field is missing. Values may stay encoded.

    A path without lists has one value; only one that follows a list or a filter has several, or none.
    """
    if isinstance(term, Prefixed):
        return _prefixed(term, scope)
    root = scope.context if term.outer else scope.fields
    found: list[Any] = [root]
    for number, step in enumerate(term.steps):
        if len(found) == 1 and found[0] is None:
            break
        if step.wanted is None:
            found = [_field(value, step.name) for value in found]
            if step.holding is not None:
                found = [value if _holds(value, step.holding) else None for value in found]
            elif step.every:
                found = [inner for value in found for inner in _elements(value)][:MAX_VALUES]
        else:
            found = _chosen(found, step, scope, term.steps[: number + 1] if term.outer else None)
    return found


def is_there(value: Any) -> bool:
    """True if a value is neither null nor an empty text or list."""
    if type(value) is msgspec.Raw:
        encoded = memoryview(value)
        return len(encoded) > 4 or bytes(encoded) not in (b"null", b'""', b"[]")
    return value is not None and value != "" and value != []


def flat(found: list[Any]) -> Iterator[Any]:
    """Yield the values that are there, and the elements of those that are lists."""
    for value in found:
        for inner in _elements(value):
            if is_there(inner):
                yield inner


def _holds(value: Any, signs: str) -> bool:
    text = decoded(value)
    return isinstance(text, str) and signs in text


def _decode(decoder: msgspec.json.Decoder[Any], value: msgspec.Raw, otherwise: Any) -> Any:
    try:
        return decoder.decode(value)
    except msgspec.ValidationError:
        return otherwise
    except (ValueError, RecursionError):  # a context is not repaired as a whole, since most of it is never read
        try:
            return decoder.decode(repair_json(repair_encoding(bytes(value))))
        except (ValueError, RecursionError):
            return otherwise


def _field(value: Any, name: str) -> Any:
    if type(value) is msgspec.Raw:
        value = _decode(_OBJECT, value, None)
    return value.get(name) if isinstance(value, Mapping) else None


def _elements(value: Any) -> list[Any]:
    """Return the elements of a list; any other value counts as a list of one, and null as none."""
    if type(value) is msgspec.Raw:
        value = _decode(_LIST, value, value)
    if isinstance(value, list | tuple):
        return list(value)
    return [value] if is_there(value) else []


def _chosen(found: list[Any], step: Step, scope: Scope, shared: tuple[Step, ...] | None) -> list[Any]:
    """Return the elements that a filter chooses, in the order of the wanted values."""
    wanted = [step.wanted] if isinstance(step.wanted, str) else flat(values(step.wanted, scope)) if step.wanted else []
    keys = dict.fromkeys(str(decoded(value)) for value in wanted)
    if not keys:
        return []
    if shared is None or any(earlier.wanted is not None for earlier in shared[:-1]):
        table = _by_key(found, step)
    else:
        table = _shared_by_key(found, step, scope.context, shared)
    return [element for key in keys for element in table.get(key, ())][:MAX_VALUES]


def _by_key(found: list[Any], step: Step) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {}
    for value in found:
        for element in _elements(_field(value, step.name)):
            key = _field(element, step.key or "")
            if is_there(key):
                table.setdefault(str(decoded(key)), []).append(element)
    return table


_latest: tuple[Any, dict[tuple[Step, ...], dict[str, list[Any]]]] = (None, {})
"""The elements of the latest context, by key. Replaced as a whole, so that threads may share it."""


def _shared_by_key(found: list[Any], step: Step, context: Any, shared: tuple[Step, ...]) -> dict[str, list[Any]]:
    """Return the elements of a context by key, kept for the other records of the page: else their time is quadratic."""
    global _latest
    tables = _latest[1] if _latest[0] is context else {}
    if shared not in tables:
        tables = {**tables, shared: _by_key(found, step)}
        _latest = (context, tables)
    return tables[shared]


def _prefixed(term: Prefixed, scope: Scope) -> list[Any]:
    first = [decoded(value) for value in values(term.first, scope)]
    if len(first) != 1 or not isinstance(first[0], str | int):
        return []
    names = (decoded(value) for value in values(term.rest, scope))
    return [f"{first[0]}{term.sign}{str(name).rsplit('/', 1)[-1]}" if isinstance(name, str | int) else name for name in names]
