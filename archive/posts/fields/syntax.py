"""Parse field paths; `paths.py` says what they mean."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(r"""(?P<sign>\[\]|[\[\]=,+.^])|'(?P<word>[^']*)'|"(?P<quoted>[^"]*)"|(?P<name>(?:[^\\\[\]=,+."']|\\.)+)""")
_ESCAPE = re.compile(r"\\(.)")


class Step(NamedTuple):
    """Hold one step of a path.

    Attributes:
        name: the field.
        every: go on with every element of its list.
        key: go on with the elements whose field of this name is wanted, or None.
        wanted: the path of the wanted values, or a word; None without a filter.
        holding: go on only with a text that holds this, or None.
    """

    name: str
    every: bool = False
    key: str | None = None
    wanted: Chain | str | None = None
    holding: str | None = None


class Chain(NamedTuple):
    """Hold the steps from the record, or from the object around it (`outer`), to a value."""

    outer: bool
    steps: tuple[Step, ...]


class Prefixed(NamedTuple):
    """Hold two paths whose values are written one behind the other, with a sign between."""

    first: Chain
    sign: str
    rest: Chain


Term = Chain | Prefixed
Expression = tuple[tuple[Term, ...], ...]
"""Alternatives (`,`) of terms to join (`+`)."""


@lru_cache(maxsize=1024)
def parse_path(path: str) -> Expression:
    """Return the parsed path.

    Raises:
        ValueError: it is no path; the message quotes it and says why.
    """
    parser = _Parser(path)
    parsed = parser.expression()
    if parser.tokens:
        raise parser.error(f"{parser.tokens[0][1]!r} is not expected there")
    return parsed


def plain_name(alternative: tuple[Term, ...]) -> str | None:
    """Return the name of an alternative that is one top-level field, else None."""
    first = alternative[0]
    if len(alternative) > 1 or isinstance(first, Prefixed) or first.outer or len(first.steps) > 1:
        return None
    return first.steps[0].name if first.steps[0] == Step(first.steps[0].name) else None


def spelled(term: Term) -> str:
    """Return a path as one writes it, without the filters."""
    if isinstance(term, Prefixed):
        return f"{spelled(term.first)}'{term.sign}'{spelled(term.rest)}"
    return "^" * term.outer + ".".join(step.name + "[]" * step.every for step in term.steps)


class _Parser:
    """Read the tokens of a path from left to right."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(path):
            found = _TOKEN.match(path, at)
            if not found or not found.lastgroup:
                raise self.error(f"{path[at]!r} is not expected there")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def error(self, why: str) -> ValueError:
        return ValueError(f"{self.path!r} is not a field path: {why}")

    def taken(self, sign: str) -> bool:
        if self.tokens and self.tokens[0] == ("sign", sign):
            self.tokens.pop(0)
            return True
        return False

    def expression(self) -> Expression:
        alternatives = [self.sum()]
        while self.taken(","):
            alternatives.append(self.sum())
        return tuple(alternatives)

    def sum(self) -> tuple[Term, ...]:
        terms = [self.term()]
        while self.taken("+"):
            terms.append(self.term())
        return tuple(terms)

    def term(self) -> Term:
        first, sign = self.chain(), self.word()
        return first if sign is None else Prefixed(first, sign, self.chain())

    def chain(self) -> Chain:
        outer = self.taken("^")
        steps = [self.step()]
        while self.taken("."):
            steps.append(self.step())
        return Chain(outer, tuple(steps))

    def step(self) -> Step:
        name = self.name()
        if self.taken("[]"):
            return Step(name, every=True)
        if not self.taken("["):
            return Step(name)
        holding = self.word()
        step = Step(name, holding=holding) if holding is not None else self.filter(name)
        if not self.taken("]"):
            raise self.error("`]` is missing")
        return step

    def filter(self, name: str) -> Step:
        key = self.name()
        if not self.taken("="):
            raise self.error(f"`=` is missing after [{key}")
        word = self.word()
        return Step(name, key=key, wanted=self.chain() if word is None else word)

    def word(self) -> str | None:
        return self.tokens.pop(0)[1] if self.tokens and self.tokens[0][0] == "word" else None

    def name(self) -> str:
        kind, text = self.tokens.pop(0) if self.tokens else ("end", "its end")
        if kind == "quoted":
            return text
        name = _ESCAPE.sub(r"\1", text.strip()) if kind == "name" else ""
        if not name:
            raise self.error(f"a field's name is missing before {text!r}" if kind != "end" else "a field's name is missing at its end")
        return name
