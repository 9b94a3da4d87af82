"""Convert escaped and marked-up texts to the words that a reader sees."""

from __future__ import annotations

import html
import re
from html.entities import html5

MARKUPS = ("plain", "escaped", "html")

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"""</?([A-Za-z][^\s/>]*+)((?:[^>"']++|"[^"]*+"|'[^']*+')*+)>""")
_SIMPLE_TAG = re.compile(r"</?([A-Za-z][^\s/>]*+)([^>]*+)>")
_CLASS = re.compile(r"""\bclass=(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_ALT = re.compile(r"""\balt=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_BREAKS = re.compile(r"\n{3,}")

_NEW_LINE = re.compile("address|article|aside|blockquote|br|dd|div|dl|dt|fieldset|figure|footer|form|header|hr|li|main|nav|pre|tr")
_PARAGRAPH = re.compile("p|h[1-6]|ol|ul|table")
_NOT_SHOWN = ("script", "style")


def to_plain(text: str, markup: str) -> str:
    """Return a text without its markup, one of `MARKUPS`."""
    if markup == "plain":
        return text
    if markup == "html" and "<" in text:
        return _without_tags(text)
    return unescape(text)


def unescape(text: str) -> str:
    """Return a text with its HTML entities decoded once; `&` without a whole, known entity stays."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def has_entities(text: str) -> bool:
    """True if a text holds HTML entities."""
    return "&" in text and unescape(text) != text


def _character(found: re.Match[str]) -> str:
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def _without_tags(text: str) -> str:
    """Return HTML as text in linear time. A `<` that begins no tag is text, as in a browser."""
    shown = _Shown()
    at, last_end = 0, text.rfind(">")
    while (start := text.find("<", at)) >= 0 and start < last_end:
        shown.add(text[at:start])
        if text.startswith(("<!", "<?"), start):
            end = text.find("-->", start) if text.startswith("<!--", start) else -1
            at = end + 3 if end >= 0 else text.find(">", start) + 1
            if text.startswith("<!--", start) and end < 0:
                return shown.text()
            continue
        tag = _TAG.match(text, start) or _SIMPLE_TAG.match(text, start)
        if not tag:
            shown.add("<")
            at = start + 1
            continue
        at = tag.end()
        name, closes = tag[1].lower(), text[start + 1] == "/"
        shown.tag(name, closes, tag[2])
        if name in _NOT_SHOWN and not closes:
            closing = re.compile(f"</{name}", re.IGNORECASE).search(text, at)
            if not closing:
                return shown.text()
            at = closing.start()
    shown.add(text[at:])
    return shown.text()


class _Shown:
    """Collect the text that a browser shows."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.spans: list[str] = []  # classes of the open spans
        self.hidden = 0

    def add(self, raw: str) -> None:
        if raw and not self.hidden:
            self.parts.append(unescape(raw))

    def tag(self, name: str, closes: bool, attributes: str) -> None:
        if _NEW_LINE.fullmatch(name):
            self.parts.append("\n")
        elif _PARAGRAPH.fullmatch(name):
            self.parts.append("\n\n")
        elif name == "img" and (found := _ALT.search(attributes)):
            self.add(found[1] or found[2] or found[3] or "")
        elif name == "span" and not closes and not attributes.endswith("/"):
            found = _CLASS.search(attributes)
            classes = (found[1] or found[2] or "").split() if found else []
            self.spans.append("invisible" if "invisible" in classes else "ellipsis" if "ellipsis" in classes else "")
            self.hidden += self.spans[-1] == "invisible"
        elif name == "span" and closes and self.spans:
            kind = self.spans.pop()
            self.hidden -= kind == "invisible"
            self.add("…" if kind == "ellipsis" else "")

    def text(self) -> str:
        lines = "".join(self.parts).split("\n")
        return _BREAKS.sub("\n\n", "\n".join(line.strip(" \t\r") for line in lines)).strip("\n")
