"""Take the records out of an object that holds an array of them, such as a page of an API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

Path = tuple[str, ...]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Element(NamedTuple):
    """One value that is cut out of JSON.

    Attributes:
        data: its bytes, or the mark of one that is too long.
        context: the other fields of the objects around it, or None.
    """

    data: bytes
    context: Mapping[str, msgspec.Raw] | None = None


def parse_paths(each: Sequence[str]) -> tuple[Path, ...]:
    """Return the paths of arrays as the keys that lead to them. `a[].b` and `a.b` are the same."""
    return tuple(tuple(key.removesuffix("[]") for key in path.split(".")) for path in each if path)


def records_of(data: bytes, paths: Sequence[Path], context: Mapping[str, msgspec.Raw] | None = None) -> Iterator[Element]:
    """Yield the elements of the first array of objects at one of the paths, or the value itself if there is none."""
    for path in paths:
        found = _elements(data, path, dict(context or {}))
        if found:
            yield from found
            return
    yield Element(data, context)


def _elements(data: bytes, path: Path, context: dict[str, msgspec.Raw]) -> list[Element]:
    try:
        if not path:
            elements = [bytes(element) for element in _ARRAY.decode(data)]
            return [Element(element, context) for element in elements] if elements and elements[0].startswith(b"{") else []
        if data.startswith(b"["):  # an array on the way to the records
            return [found for element in _ARRAY.decode(data) for found in _elements(bytes(element).strip(), path, context)]
        fields = _OBJECT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if path[0] not in fields:
        return []
    value = bytes(fields.pop(path[0]))
    return _elements(value, path[1:], context | fields)
