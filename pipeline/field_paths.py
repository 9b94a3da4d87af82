"""Check the options that hold paths of fields."""

from __future__ import annotations

from typing import Any

from archive.posts.fields.rules import check_rule
from archive.posts.fields.syntax import parse_path
from pipeline.definitions import UsageError


def check_paths(values: dict[str, Any]) -> None:
    """Raise UsageError for a path of a field, or a condition on one, that is none."""
    for name in ("each", "id", "text", "images_field", "alt"):
        try:
            if values[name]:
                parse_path(values[name])
        except ValueError as error:
            raise UsageError(f"--{name} {error}") from error
    for rule in values["where"]:
        try:
            check_rule(rule)
        except ValueError as error:
            raise UsageError(f"--where {error}: give FIELD=VALUE, FIELD!=VALUE, FIELD or !FIELD") from error
