"""List what a key may mean: as it is written, then without what addresses add to a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from archive.images.index.names import LONGEST_NAME

_PLAIN = re.compile(r"[\w -]+(\.[\w -]+)*")  # most keys are a base name alone, with nothing to take away
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SIZE_SUFFIX = re.compile(r"(?<=[^/]):[A-Za-z0-9]+$")  # `:large`, `:orig`
_AT_FORMAT = re.compile(r"@(jpeg|png|webp)$")  # the content's id of Bluesky, and the format that it is sent in
_FORMAT = re.compile(r"(?:^|[&;])format=([A-Za-z0-9]{1,5})(?:&|$)")


def spellings(key: str) -> list[str]:
    """Return the paths that a key may mean, best first; none if it can be the name of nothing.

    Of an address only the last part of its path counts. A key is only compared with names: it is never opened.
    """
    if not key or len(key) > LONGEST_NAME:
        return []
    if _PLAIN.fullmatch(key):
        return [key]
    address = _ADDRESS.match(key)
    paths = list(_of_address(key[address.end() :]) if address else _of_name(key))
    paths += [decoded for path in paths if (decoded := _decoded(path))]
    return [path for path in dict.fromkeys(paths) if "\0" not in path and ".." not in re.split(r"[/\\]", path)]


def _of_name(key: str) -> Iterator[str]:
    yield key
    path, _, query = key.partition("?")
    yield from _without_additions(path, query)


def _of_address(rest: str) -> Iterator[str]:
    path, _, query = rest.partition("#")[0].partition("?")
    _, _, path = path.partition("/")  # the host names no picture
    base = path.rstrip("/").rpartition("/")[2]
    if base and query and "/" not in query:
        yield f"{base}?{query}"  # as wget names it
    yield from _without_additions(base, query)


def _without_additions(path: str, query: str) -> Iterator[str]:
    if not path:
        return
    asked = _FORMAT.search(query)
    if asked and "." not in path.rpartition("/")[2]:
        yield f"{path}.{asked[1]}"
    yield path
    yield _SIZE_SUFFIX.sub("", path)
    yield _AT_FORMAT.sub(r".\1", path)


def _decoded(path: str) -> str | None:
    if "%" not in path:
        return None
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
