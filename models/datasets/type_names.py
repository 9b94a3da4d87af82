"""Entity types of labelled data: collect them, rename them, drop them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence

from models.tagging.labels import ALIASES, TYPES


class TypeNames:
    """Turns the type names of labelled data to indices in a list of types.

    Args:
        types: the list; None to accept every name and collect them in `seen`.
        renames: new name for names of the data; an empty one drops the entities.
    """

    def __init__(self, types: Sequence[str] | None, renames: Mapping[str, str]) -> None:
        self._types = types
        self._renames = renames
        self.seen: list[str] = []
        """Names of the data in their order, before they are renamed; collected if `types` is None."""

    def index(self, name: str) -> int:
        """Return the index of a type, or -1 if its entities are dropped. Raises ValueError for a name that is not in the list."""
        if self._types is None:
            if name not in self.seen:
                self.seen.append(name)
            return self.seen.index(name)
        name = self._renames.get(name, name)
        if name and name not in self._types:
            raise ValueError(
                f"type {name!r} is none of {', '.join(self._types)}: rename it with --map {name}=NEW, or drop it with --map {name}="
            )
        return self._types.index(name) if name else -1


def add_map_option(add: Callable[..., argparse.Action], of: str) -> None:
    """Add `--map`.

    Args:
        add: `add_argument` of a parser or of a group of one.
        of: whose types it renames, for the help.
    """
    text = f"read the type OLD of {of} as NEW, or leave its entities out if NEW is empty; may be repeated"
    add("--map", type=_parse_map, action="append", default=[], metavar="OLD=NEW", help=text)


def _parse_map(value: str) -> tuple[str, str]:
    """Return the two names of `OLD=NEW`, the value of an option. Raises argparse.ArgumentTypeError."""
    old, sign, new = value.partition("=")
    if not sign or not old:
        raise argparse.ArgumentTypeError(f"{value!r} is not OLD=NEW: give such as person=PER, or person= to drop the type")
    return old, new


def check_renames(given: Mapping[str, str], names: Collection[str]) -> None:
    """Raise ValueError if `--map` renames a type that nothing has.

    Args:
        given: by `--map`.
        names: of the types that there are.
    """
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"--map {unknown[0]}={given[unknown[0]]}: there is no such type, only {', '.join(names) or 'none'}")


def renames_of(seen: Collection[str], given: Mapping[str, str], known: Collection[str] = TYPES) -> dict[str, str]:
    """Return the new name of each name of the data.

    Names of Twitter-2015 and WNUT-17 become ours (`ALIASES`) where no other types are left then, or where a bundle is scored
    that knows ours only. So types of one's own stay as they are.

    Args:
        seen: names in the data.
        given: by `--map`; they come first.
        known: types that a bundle has.
    """
    by_alias = {name: ALIASES[name] for name in seen if name not in known and ALIASES.get(name) in known} | dict(given)
    is_ours = all(by_alias.get(name, name) in ("", *known) for name in seen if name not in given)
    return by_alias if is_ours or set(known) != set(TYPES) else dict(given)


def types_of(seen: Collection[str], renames: Mapping[str, str]) -> tuple[str, ...]:
    """Return the types that are left: ours first, in their usual order, then the others by name. Raises ValueError if none is."""
    names = {renames.get(name, name) for name in seen} - {""}
    if not names:
        raise ValueError("the labelled posts have no entities: give data with labels, or drop fewer types with --map")
    return (*(name for name in TYPES if name in names), *sorted(names - {*TYPES}))
