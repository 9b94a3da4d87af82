"""Find the day of a post in its other fields, and count days in bins for a chart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

PATHS = (
    ("created_at",),
    ("created_utc",),
    ("createdAt",),
    ("date",),
    ("timestamp",),
    ("published",),
    ("tweet", "created_at"),
    ("data", "created_at"),
    ("data", "created_utc"),
    ("commit", "record", "createdAt"),
    ("record", "createdAt"),
    ("timestamp_ms",),
    ("date_unixtime",),
)
"""Where sites write the date of a post; the first that holds one counts."""

EARLIEST, LATEST = 1970, 2100
MOST_BINS = 62

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)", re.ASCII)
_TWITTER = re.compile(r"\w{3} (\w{3}) (\d\d?) \d\d:\d\d:\d\d [+-]\d{4} (\d{4})", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_of(extra: str | None) -> date | None:
    """Return the day of a post as it is written there, or in UTC for seconds since 1970; None without a date.

    Args:
        extra: JSON of the other fields of the post.
    """
    if not extra:
        return None
    try:
        fields = msgspec.json.decode(extra)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    found = (_day(_at(fields, path)) for path in PATHS)
    return next((day for day in found if day), None)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _day(value: Any) -> date | None:
    if isinstance(value, str) and re.fullmatch(r"\d{9,13}(\.\d+)?", value, re.ASCII):
        value = float(value)
    try:
        if isinstance(value, str):
            if parts := _ISO.match(value):
                day = date(*map(int, parts.groups()))
            elif parts := _TWITTER.match(value):
                day = date(int(parts[3]), _MONTHS.index(parts[1]) + 1, int(parts[2]))
            else:
                return None
        elif isinstance(value, int | float) and not isinstance(value, bool):
            day = datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC).date()
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return day if EARLIEST < day.year < LATEST else None


@dataclass
class Bin:
    """Posts and entities by type, of one day, week, month or year."""

    start: date
    posts: int = 0
    types: Counter[str] = field(default_factory=Counter)


def binned(posts: Counter[date], entities: Counter[tuple[date, str]]) -> tuple[str, list[Bin]]:
    """Return the unit (`day`, `week`, `month`, `year`) and its bins without a gap, at most 62 unless they are years."""
    first, last = min(posts), max(posts)
    for unit in ("day", "week", "month", "year"):
        starts = list(_starts(unit, first, last))
        if len(starts) <= MOST_BINS:
            break
    bins = {start: Bin(start) for start in starts}
    for day, amount in posts.items():
        bins[_start(unit, day)].posts += amount
    for (day, type_), amount in entities.items():
        bins[_start(unit, day)].types[type_] += amount
    return unit, list(bins.values())


def _start(unit: str, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[unit]


def _starts(unit: str, first: date, last: date) -> Iterable[date]:
    start = _start(unit, first)
    days = {"day": 1, "week": 7, "month": 32, "year": 367}[unit]
    while start <= last:
        yield start
        start = _start(unit, start + timedelta(days=days))
