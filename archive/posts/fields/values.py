"""Take the id, the text and the pictures from the fields of a record."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from archive.posts.fields.paths import Scope, decoded, is_there, values
from archive.posts.fields.syntax import Expression, Term, plain_name, spelled

ID_KINDS = frozenset([str, int])
_EXTENDED_JSON = ("$oid", "$numberLong", "$numberInt", "$uuid")


class WrongTypeError(ValueError):
    """Raised if a value cannot be used; the message begins with the name of its field."""


class Taken(NamedTuple):
    """Hold a text, and the top-level field that holds just this text, if one does."""

    text: str
    name: str | None


class Pictures(NamedTuple):
    """Hold the keys of a post's pictures, their alternative texts, what is wrong, and the top-level field of just these."""

    keys: tuple[str, ...] = ()
    alts: tuple[str | None, ...] = ()
    problems: tuple[str, ...] = ()
    name: str | None = None


NO_PICTURES = Pictures()

_BETWEEN_ADDRESSES = re.compile(r",\s*(?=https?://)")
_ANY = msgspec.json.Decoder()
_KEYS = msgspec.json.Decoder(list[str])


def simple_text(fields: Mapping[str, Any], name: str | None, kinds: frozenset[type] = frozenset([str])) -> Taken | None:
    """Return the text of a field of JSON, or None if it holds anything else: the usual case, at full speed."""
    value = None if name is None else fields.get(name)
    if type(value) is not msgspec.Raw:
        return None
    try:
        found = _ANY.decode(value)
    except msgspec.DecodeError:
        return None
    return Taken(str(found), name) if found and type(found) in kinds else None


def simple_list(fields: Mapping[str, Any], name: str | None) -> Pictures | None:
    """Return the keys of a field of JSON that is missing or a list of texts, or None: the usual case, at full speed."""
    if name is None:
        return None
    value = fields.get(name)
    if value is None:
        return NO_PICTURES
    try:
        return Pictures(tuple(_KEYS.decode(value)), (), (), name) if type(value) is msgspec.Raw else None
    except msgspec.DecodeError:
        return None


def take_id(path: Expression, scope: Scope) -> Taken | None:
    """Return the id, or None. The parts of a joined id have `/` between.

    Raises:
        WrongTypeError: what is there is no id.
    """
    return _first(path, scope, "/", _id_text, whole=True)


def take_text(path: Expression, scope: Scope, blank: tuple[str, ...]) -> Taken | None:
    """Return the text, or None. Texts in `blank` count as missing.

    Raises:
        WrongTypeError: what is there is no text.
    """
    found = _first(path, scope, "\n\n", _pieces, blank=blank)
    if found and found.name is not None and not isinstance(decoded(scope.fields[found.name]), str):
        return Taken(found.text, None)  # made of pieces
    return found


def _first(path: Expression, scope: Scope, between: str, convert: Any, whole: bool = False, blank: tuple[str, ...] = ()) -> Taken | None:
    empty: Taken | None = None
    wrong: WrongTypeError | None = None
    for alternative in path:
        name = plain_name(alternative)
        try:
            texts = [convert(term, values(term, scope)) for term in alternative]
        except WrongTypeError as error:
            wrong = wrong or error
            continue
        parts = [text for text in texts if text and text not in blank]
        if parts and (not whole or len(parts) == len(alternative)):
            return Taken(between.join(parts), name)
        if empty is None and "" in texts:
            empty = Taken("", name)
    if empty is None and wrong:
        raise wrong
    return empty


def _id_text(term: Term, found: list[Any]) -> str | None:
    value = decoded(found[0]) if found else None
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if value is None or value != value:  # the NaN of a table is its null
        return None
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, inner),) = value.items()
        if name in _EXTENDED_JSON and isinstance(inner, str):
            return inner
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return str(int(value))
    if isinstance(value, float):
        raise WrongTypeError(f"{spelled(term)}: a number with a fraction or exponent has lost digits")
    raise WrongTypeError(f"{spelled(term)}: {kind_of(value)} is no id")


def _pieces(term: Term, found: list[Any]) -> str | None:
    texts = [_piece(term, decoded(value)) for value in found]
    return None if texts.count(None) == len(texts) else "".join(text for text in texts if text)


def _piece(term: Term, value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, list | tuple):
        pieces = [piece.get("text", "") if isinstance(piece, Mapping) else piece for piece in value]
        if all(isinstance(piece, str) for piece in pieces):
            return "".join(pieces)
        raise WrongTypeError(f"{spelled(term)}: a list that holds other things than texts")
    if value != value:
        return None
    raise WrongTypeError(f"{spelled(term)}: {kind_of(value)} is no text")


def take_pictures(images: Expression, alt: Expression | None, scope: Scope) -> Pictures:
    """Return the pictures of a post: of the first alternative that holds a key, else of the first that holds anything."""
    found: tuple[int, list[Any]] | None = None
    for number, alternative in enumerate(images):
        listed = _listed(alternative, scope)
        if any(isinstance(value, str) and value for value in listed):
            found = number, listed
            break
        if found is None and any(value is not None for value in listed):
            found = number, listed
    if found is None:
        return Pictures(name=plain_name(images[0]) if len(images) == 1 else None)
    number, listed = found
    keys = tuple(value for value in listed if isinstance(value, str))
    wrong = [value for value in listed if value is not None and not isinstance(value, str)]
    path = "+".join(spelled(term) for term in images[number])
    if not wrong:
        return Pictures(keys, _alts(listed, images, alt, number, scope), (), plain_name(images[number]))
    first = f"{path}: {len(wrong)} of {len(listed)} are no keys, the first is {kind_of(wrong[0])}: {shown(wrong[0])}"
    return Pictures(keys, _alts(listed, images, alt, number, scope), (first,))


def _alts(listed: list[Any], images: Expression, alt: Expression | None, number: int, scope: Scope) -> tuple[str | None, ...]:
    """Return the alternative texts. If both paths have equally many alternatives, they belong together."""
    if alt is None:
        return ()
    paired = [alt[number]] if len(alt) == len(images) else alt
    for alternative in paired:
        texts = _listed(alternative, scope)
        if len(texts) == len(listed) and any(isinstance(text, str) and text for text in texts):
            both = zip(listed, texts, strict=True)
            return tuple(text if isinstance(text, str) and text else None for key, text in both if isinstance(key, str))
    return ()


def _listed(alternative: tuple[Term, ...], scope: Scope) -> list[Any]:
    """Return the decoded values of all terms, one after the other; lists count as their elements."""
    listed: list[Any] = []
    for term in alternative:
        for value in values(term, scope):
            if not is_there(value):
                listed.append(None)
                continue
            of_table = type(value) is str
            value = decoded(value)
            if of_table and value.startswith("["):
                value = _list_of_cell(value)
            for one in value if isinstance(value, list | tuple) else [value]:
                listed.extend(_BETWEEN_ADDRESSES.split(one) if isinstance(one, str) and "," in one else [one])
    return listed


def _list_of_cell(text: str) -> Any:
    """Return the list that a cell of a table holds: JSON, or as pandas (`['a']`) and DuckDB (`[a, b]`) write it; else the text."""
    try:
        return msgspec.json.decode(text, type=list)
    except (msgspec.DecodeError, RecursionError):
        pass
    if not text.endswith("]"):
        return text
    return [cell.strip().strip("'") for cell in next(csv.reader([text[1:-1]], quotechar="'", skipinitialspace=True), [])]


def kind_of(value: Any) -> str:
    """Return the kind of a value in the words of JSON."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bytes):
        return "binary data"
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def shown(value: Any) -> str:
    """Return a value as JSON, cut."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()[:200]
    except (ValueError, TypeError, RecursionError):
        return "…"
