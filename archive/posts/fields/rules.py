"""Conditions on a record: `path` is there, `!path` is not, `path=value`, `path!=value` (there, and another value)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from archive.posts.fields.paths import Scope, decoded, is_there, values
from archive.posts.fields.syntax import Expression, parse_path

_RULE = re.compile(r"(?P<absent>!?)(?P<path>(?:[^=!\[]|\[[^\]]*\])+)(?:(?P<other>!?)=(?P<value>.*))?", re.DOTALL)


class Rule(NamedTuple):
    """Hold a parsed condition.

    Attributes:
        path: what it looks at.
        absent: True if it holds where nothing is there.
        value: the text that the value must be, or None for any.
        other: True if it must be another one.
    """

    path: Expression
    absent: bool
    value: str | None
    other: bool

    def holds(self, scope: Scope) -> bool:
        for alternative in self.path:
            for value in values(alternative[0], scope):
                if self._fits(value):
                    return not self.absent
        return self.absent

    def _fits(self, value: Any) -> bool:
        if self.value is None:
            return is_there(value) or decoded(value) == ""  # a post whose text is empty has a text
        return is_there(value) and (_text(decoded(value)) == self.value) is not self.other


def check_rule(rule: str) -> None:
    """Raise ValueError if a text is no condition, or one on joined fields, of which only the first would count."""
    if "==" in rule:
        raise ValueError(f"{rule!r} has two equals signs")
    if any(len(alternative) > 1 for alternative in parse_rule(rule).path):
        raise ValueError(f"{rule!r} joins fields by `+`")


@lru_cache(maxsize=1024)
def parse_rule(rule: str) -> Rule:
    """Return the parsed condition.

    Raises:
        ValueError: it is no condition.
    """
    found = _RULE.fullmatch(rule)
    if not found:
        raise ValueError(f"{rule!r} is no condition on a field")
    return Rule(parse_path(found["path"]), bool(found["absent"]), found["value"], bool(found["other"]))


def _text(value: Any) -> str:
    """Return a value as text, a boolean as JSON writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
