"""Choose which fields make a post: by the options, and by the paths that the first records have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archive.posts.fields.markup import MARKUPS
from archive.posts.fields.paths import Scope
from archive.posts.fields.post import parse
from archive.posts.fields.presets import LINE, PRESETS, Fields
from archive.posts.fields.record import read_fields
from archive.posts.fields.rules import parse_rule
from archive.posts.fields.suggest import columns_as_fields, guess_id, guess_text, keys_of
from archive.posts.fields.syntax import parse_path
from archive.posts.records import Entry, Post, Skipped

EACH: tuple[str, ...] = tuple(dict.fromkeys(path for preset in PRESETS.values() if preset.each for path in preset.each.split(",")))
"""Paths of the array of posts in a document, of all presets."""


class NoPresetError(ValueError):
    """Raised if no preset fits the first records, or several do. The message names the keys seen and the option to add."""


@dataclass(frozen=True)
class FieldOptions:
    """Hold the options that say which fields make a post; None stands for the preset's value.

    Attributes:
        preset: name of a preset, or `auto`.
        each: path of the array of posts in a document.
        id: path of the identifier, or `line`.
        text: path of the text.
        images: path of the keys of the pictures.
        alt: path of their alternative texts.
        markup: `plain`, `escaped` or `html`.
    """

    preset: str = "auto"
    each: str | None = None
    id: str | None = None
    text: str | None = None
    images: str | None = None
    alt: str | None = None
    markup: str | None = None

    def check(self) -> None:
        """Raise a ValueError that names the option and the cure if one cannot be used."""
        if self.preset != "auto" and self.preset not in PRESETS:
            raise ValueError(f"--preset {self.preset!r} is none of auto, {', '.join(PRESETS)}")
        if self.markup is not None and self.markup not in MARKUPS:
            raise ValueError(f"--markup {self.markup!r} is none of {', '.join(MARKUPS)}")
        for path in (self.id, self.text, self.images, self.alt):
            if path is not None:
                parse_path(path)


_Record = tuple[Entry, Scope]


class _Fit:
    """Hold what some fields make of the first records.

    Attributes:
        name: the preset.
        fields: its paths, with the options.
        posts: the posts that they read.
        score: number of records of this source: posts that have its signs, and records that its rules skip.
        lacks_id: whether a record has no id.
    """

    def __init__(self, name: str, fields: Fields, records: Sequence[_Record]) -> None:
        self.name, self.fields = name, fields
        forms = [[parse_rule(rule) for rule in form.split(" ")] for form in PRESETS[name].signs] if name in PRESETS else []
        self.posts: list[Post] = []
        known = skipped = 0
        self.lacks_id = False
        for entry, scope in records:
            parsed = parse(entry, fields)
            if isinstance(parsed, Post):
                self.posts.append(parsed)
                known += any(all(rule.holds(scope) for rule in form) for form in forms)
            elif isinstance(parsed, Skipped):
                skipped += 1
            else:
                self.lacks_id |= parsed.reason == "no_id"
        self.reads = bool(self.posts) or skipped > 0
        self.score = known + skipped if 2 * known >= len(self.posts) else 0

    def reads_as(self, other: _Fit) -> bool:
        """True if both read the same posts."""
        return [_read(post) for post in self.posts] == [_read(post) for post in other.posts]


def _read(post: Post) -> tuple[Any, ...]:
    return post.id, post.text, post.images, post.alts


def choose(entries: Sequence[Entry], options: FieldOptions) -> Fields:
    """Return the fields that make a post.

    Args:
        entries: the first entries of a file, read with `each` of the options, else with `EACH`.
        options: what the user said; it wins over the preset.

    Raises:
        NoPresetError: no preset fits, or several that read different posts, or what was said makes no post of any entry.
        ValueError: an option cannot be used.
    """
    options.check()
    filled = list(filter(is_filled, entries))
    records = [(entry, scope) for entry in filled if (scope := _scope(entry))]
    if options.preset != "auto":
        base = PRESETS[options.preset].fields(options.preset)
    elif options.id and options.text:
        base = Fields("options", None, "", "", None, None, "plain")
    elif filled:
        best = _best([_Fit(name, _with(preset.fields(name), options), records) for name, preset in PRESETS.items()])
        if any(not fit.reads_as(best[0]) for fit in best):
            names = " and ".join(fit.name for fit in best)
            raise NoPresetError(f"the records fit {names}, which read them differently: add --preset {best[0].name}, or the other")
        if best:
            return best[0].fields
        if not options.id and not options.text:
            raise NoPresetError(_told(filled, records, "by any preset", options, lacks_id=False))
        base = PRESETS["postner"].fields("options")
    else:
        base = PRESETS["postner"].fields("postner")
    fields = _with(base, options)
    fit = _Fit(fields.preset, fields, records)
    if filled and not fit.reads:
        by = "by these options" if fields.preset == "options" else f"by --preset {fields.preset}"
        raise NoPresetError(_told(filled, records, by, options, fit.lacks_id))
    return fields


def is_filled(entry: Entry) -> bool:
    """True if an entry is neither a blank line nor a member that holds no records."""
    return bool(entry.data.strip()) if isinstance(entry.data, bytes) else not isinstance(entry.data, Skipped)


def _best(fits: list[_Fit]) -> list[_Fit]:
    """Return those of half the best score or more; of general presets only one, and none beside others."""
    most = max(fit.score for fit in fits)
    near = [fit for fit in fits if fit.score and 2 * fit.score >= most]
    return [fit for fit in near if not PRESETS[fit.name].general] or near[:1]


def _told(filled: Sequence[Entry], records: Sequence[_Record], by: str, options: FieldOptions, lacks_id: bool) -> str:
    """Return one sentence: what was tried, the fields that were seen, and what to type."""
    start = f"none of the first {len(filled)} records is a post {by}" if len(filled) > 1 else f"the first record is no post {by}"
    if not records:
        why = "it is no JSON object" if len(filled) == 1 else "none is a JSON object"
        return f"{start}, since {why}: give JSON lines, a JSON document, CSV with a header, or Parquet"
    scopes = [scope for _, scope in records]
    best = _best([_Fit(name, preset.fields(name), records) for name, preset in PRESETS.items()])
    identifier, text = options.id or guess_id(scopes) or LINE, options.text or guess_text(scopes)
    if columns_as_fields(scopes):
        cure = "this is a table in one object: write it again, with pandas as to_json(PATH, orient='records', lines=True)"
    elif best and options.preset not in ("auto", best[0].name):
        cure = f"add --preset {best[0].name}"
    elif lacks_id and options.text and not options.id:
        cure = f"add --id {identifier}" + (f", or --id {LINE} for file and line" if identifier != LINE else ", for file and line")
    elif absent := next((name for name in ("id", "text") if (path := getattr(options, name)) and not _is_there(path, scopes)), None):
        cure = f"no record has {getattr(options, absent)!r}: give another --{absent}"
    elif text:
        cure = f"add --id {identifier} --text {text}"
    else:
        cure = f"add --id PATH (or --id {LINE}) and --text PATH"
    return f"{start}; fields seen: {', '.join(keys_of(scopes))}; {cure}"


def _is_there(path: str, scopes: Sequence[Scope]) -> bool:
    return path == LINE or any(parse_rule(path).holds(scope) for scope in scopes)


def _scope(entry: Entry) -> Scope | None:
    """Return the fields of an entry, or None if it is no object."""
    fields = read_fields(entry.data) if isinstance(entry.data, bytes) else entry.data
    return Scope(fields, entry.context) if isinstance(fields, Mapping) else None


def _with(fields: Fields, options: FieldOptions) -> Fields:
    """Return the fields with what the options say. Alternative texts belong to the preset's pictures only."""
    given = {name: value for name in ("each", "id", "text", "images", "alt", "markup") if (value := getattr(options, name)) is not None}
    if "images" in given:
        given.setdefault("alt", None)
    return replace(fields, **given)
