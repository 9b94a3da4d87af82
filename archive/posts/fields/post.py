"""Convert an entry of a posts file to a post."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from archive.posts.fields.markup import has_entities, to_plain
from archive.posts.fields.paths import Scope
from archive.posts.fields.presets import LINE, Fields
from archive.posts.fields.record import read_fields
from archive.posts.fields.rules import Rule, parse_rule
from archive.posts.fields.syntax import Expression, parse_path, plain_name
from archive.posts.fields.values import (
    ID_KINDS,
    NO_PICTURES,
    Taken,
    WrongTypeError,
    simple_list,
    simple_text,
    take_id,
    take_pictures,
    take_text,
)
from archive.posts.records import PAYLOAD_BYTES, Entry, Post, Reject, Skipped


class _Plan(NamedTuple):
    """Hold the parsed paths of `Fields`.

    Attributes:
        id_name, text_name, images_name: the top-level fields that are tried first, or None.
    """

    id: Expression | None
    line_is_id: bool
    text: Expression
    images: Expression | None
    alt: Expression | None
    skip: tuple[tuple[Rule, str], ...]
    where: tuple[Rule, ...]
    id_name: str | None
    text_name: str | None
    images_name: str | None


def parse(entry: Entry, fields: Fields) -> Post | Reject | Skipped:
    """Return the post of an entry, or why there is none. Never raises because of an entry's content.

    Raises:
        ValueError: `fields` holds something that is no path.
    """
    plan = _plan(fields)
    data = entry.data
    if isinstance(data, Reject | Skipped):
        return data
    found = read_fields(data) if isinstance(data, bytes) else dict(data)
    if isinstance(found, str):
        return _reject(entry, found)
    scope = Scope(found, entry.context)
    for rule, kind in plan.skip:
        if rule.holds(scope):
            return Skipped(kind)
    if not all(rule.holds(scope) for rule in plan.where):
        return Skipped("where")
    try:
        identifier = simple_text(found, plan.id_name, ID_KINDS) or (take_id(plan.id, scope) if plan.id else None)
        if identifier is None and plan.line_is_id:
            identifier = Taken(f"{entry.source}:{entry.line}", None)
        if identifier is None:
            return _reject(entry, "no_id")
        text = simple_text(found, plan.text_name) or take_text(plan.text, scope, fields.blank)
    except WrongTypeError as error:
        return _reject(entry, "wrong_type", f"{error}: ")
    if text is None:
        return _reject(entry, "no_text")
    pictures = simple_list(found, plan.images_name)
    if pictures is None or (plan.alt and pictures.keys):
        pictures = take_pictures(plan.images, plan.alt, scope) if plan.images else NO_PICTURES
    plain = to_plain(text.text, fields.markup)
    for name in (identifier.name, pictures.name, text.name if plain == text.text else None):
        if name is not None:
            found.pop(name, None)
    extra = _extra(found, isinstance(data, bytes)) if found else None
    noted = fields.markup == "plain" and has_entities(plain)
    return Post(identifier.text, plain, pictures.keys, extra, entry.source, entry.line, pictures.alts, pictures.problems, noted)


@lru_cache(maxsize=64)
def _plan(fields: Fields) -> _Plan:
    alternatives = parse_path(fields.id)
    line = parse_path(LINE)[0]
    by_path = tuple(alternative for alternative in alternatives if alternative != line)
    text, images = parse_path(fields.text), parse_path(fields.images) if fields.images else None
    return _Plan(
        by_path or None,
        len(by_path) < len(alternatives),
        text,
        images,
        parse_path(fields.alt) if fields.alt else None,
        tuple((parse_rule(rule), kind) for rule, kind in fields.skip),
        tuple(map(parse_rule, fields.where)),
        plain_name(by_path[0]) if by_path else None,
        None if fields.blank else plain_name(text[0]),
        plain_name(images[0]) if images and len(images) == 1 else None,
    )


def _extra(found: dict[str, Any], is_json: bool) -> str:
    return msgspec.json.encode(found if is_json else _jsonable(found), enc_hook=str).decode()


def _jsonable(value: Any) -> Any:
    """Return a value of a table as JSON can hold it. Of large binary values, such as pictures, only the size is kept."""
    if isinstance(value, Mapping):
        return {str(name): _jsonable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, bytes) and len(value) > PAYLOAD_BYTES:
        return f"({len(value)} bytes)"
    return str(value) if isinstance(value, int) and value.bit_length() > 63 else value


def _reject(entry: Entry, reason: str, explanation: str = "") -> Reject:
    data = entry.data if isinstance(entry.data, bytes) else msgspec.json.encode(_jsonable(entry.data), enc_hook=str)
    return Reject.cut("post", reason, entry.source, entry.line, explanation.encode() + data)
