"""Fill the templates. Every text is escaped by the template engine, and the page may load and run nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.report.posts import MOST_ENTITIES

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and marks that turn the direction of what follows: shown by their code."""

_NOTHING_ELSE = "base-uri 'none'; form-action 'none'"

KNOWN_TYPES = ("PER", "LOC", "ORG", "MISC")
COLOURS = 8

_ENVIRONMENT = Environment(
    loader=PackageLoader("pipeline.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def visible(text: object) -> Markup:
    """Return a text escaped for HTML, with the control characters in it shown by their code."""
    return Markup(_UNSEEN.sub(_code, str(escape(text))))


def _code(found: re.Match[str]) -> str:
    name = escape(unicodedata.name(found[0], "control character").lower())
    return f'<span class="code" title="{name}">U+{ord(found[0]):04X}</span>'


def colours(types: list[str]) -> dict[str, int]:
    """Return the number of the colour of each type: always the same for the usual ones."""
    others = sorted(set(types) - set(KNOWN_TYPES))
    return {name: number % COLOURS for number, name in enumerate([*KNOWN_TYPES, *others])}


def render(**content: Any) -> str:
    """Return the page.

    Args:
        content: what templates/report.html names.
    """
    style = _ENVIRONMENT.get_template("style.css").render(most_entities=MOST_ENTITIES)
    script = (Path(__file__).parent / "templates" / "filter.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; {_NOTHING_ELSE}"
    template = _ENVIRONMENT.get_template("report.html")
    return template.render(**content, style=Markup(style), script=Markup(script), policy=policy)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_ENVIRONMENT.filters["visible"] = visible
_ENVIRONMENT.filters["number"] = lambda value: f"{value:,}"
_ENVIRONMENT.filters["share"] = lambda value: f"{100 * value:.1f} %"
