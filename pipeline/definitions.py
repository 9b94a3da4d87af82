"""How an option is defined, once, and what is made of the definition: parser, checks, help and table."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Iterable
from dataclasses import MISSING, dataclass
from typing import Any, NoReturn

TYPES = {"str": str, "int": int, "float": float}


class UsageError(ValueError):
    """A mistake of the user; the message is one sentence that names the value and the cure."""


@dataclass(frozen=True)
class Option:
    """Everything about an option but its default.

    Attributes:
        name: of the option, without dashes.
        kind: type of its value: `str`, `int`, `float`, `bool`, or `several` for texts of an option that may be repeated.
        default: its value if it is not given; MISSING if it must be given.
        help: one line for the user; code in backticks.
        metavar: what stands for the value in help and table.
        default_means: what the default is in words, where its value does not say it.
        least: smallest number that is allowed.
        most: largest number that is allowed.
        choices: regular expression of the texts that are allowed.
        changes_rows: whether it decides the rows, so that `--resume` refuses another value.
    """

    name: str
    kind: str
    default: Any
    help: str
    metavar: str
    default_means: str | None
    least: float | None
    most: float | None
    choices: str | None
    changes_rows: bool

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    @property
    def shown_default(self) -> str:
        """The default in words."""
        if self.required or (not self.default and self.kind in ("str", "several", "bool")):
            return "required" if self.required else "off" if self.kind == "bool" else self.default_means or "none"
        if self.default_means:
            return self.default_means
        if self.kind == "int" and self.default >= 10**6:
            in_bytes = self.default % 2**20 == 0
            return f"{self.default // 2**20} MiB" if in_bytes else f"{self.default / 10**6:g} million"
        return f"{self.default:g}" if self.kind == "float" else str(self.default)

    @property
    def full_help(self) -> str:
        """The help with the default."""
        silent = self.required or self.shown_default in ("none", "off")
        return self.help if silent else f"{self.help} (default: {self.shown_default})"

    def value_of(self, text: str) -> Any:
        """Return the value that a text on the command line stands for. Raises argparse.ArgumentTypeError."""
        try:
            return TYPES[self.kind](text)
        except ValueError as error:
            kind = "whole number" if self.kind == "int" else "number"
            raise argparse.ArgumentTypeError(f"{text!r} is not a {kind}: {self.full_help}") from error

    def check(self, value: Any) -> None:
        """Raise UsageError for a value that is not allowed."""
        if self.kind == "several":
            for one in value:
                dataclasses.replace(self, kind="str").check(one)
            return
        if value is None:
            return
        if self.kind == "str" and not value.strip():
            raise UsageError(f"--{self.name} is empty: give a value, or leave it out")
        if self.choices and not re.fullmatch(self.choices, value):
            raise UsageError(f"--{self.name} {value!r} is not allowed: {self.help}")
        if self.least is not None and not self.least <= value <= (self.most or float("inf")):
            allowed = f"from {self.least} to {self.most}" if self.most else f"{self.least} or more"
            raise UsageError(f"--{self.name} must be {allowed}, not {value}: {self.full_help}")


def option(
    default: Any = MISSING,
    *,
    help: str,
    metavar: str = "",
    default_means: str | None = None,
    least: float | None = None,
    most: float | None = None,
    choices: str | None = None,
    changes_rows: bool = False,
) -> Any:
    """Return the field of a dataclass of options; the arguments are attributes of `Option`."""
    known = {"help": help, "metavar": metavar, "default_means": default_means, "least": least, "most": most}
    return dataclasses.field(default=default, metadata={**known, "choices": choices, "changes_rows": changes_rows})


def options_of(kind: type) -> list[Option]:
    """Return the options that a dataclass defines."""
    return [Option(field.name, _kind(str(field.type)), field.default, **field.metadata) for field in dataclasses.fields(kind)]


def _kind(annotation: str) -> str:
    return "several" if annotation == "tuple[str, ...]" else annotation.removesuffix(" | None")


def parser_of(options: Iterable[Option], description: str, epilog: str) -> argparse.ArgumentParser:
    """Return the command line of the options."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="run_pipeline.py", description=description, epilog=epilog, allow_abbrev=False, formatter_class=shape)
    for one in options:
        text = one.full_help.replace("%", "%%")
        if one.kind == "bool":  # templates of Dataflow can give options only with a value
            parser.add_argument(f"--{one.name}", nargs="?", const=True, default=False, type=_true_or_false, metavar="true", help=text)
        elif one.kind == "several":
            parser.add_argument(
                f"--{one.name}",
                required=one.required,
                default=None if one.required else [],
                action="append",
                metavar=one.metavar,
                help=text,
            )
        elif one.required:
            parser.add_argument(f"--{one.name}", required=True, type=one.value_of, metavar=one.metavar, help=text)
        else:
            parser.add_argument(f"--{one.name}", default=one.default, type=one.value_of, metavar=one.metavar, help=text)
    return parser


def table_of(options: Iterable[Option]) -> str:
    """Return the options as a table of Markdown."""
    rows = [f"| `{f'--{one.name} {one.metavar}'.strip()}` | {one.help} | {one.shown_default} |" for one in options]
    return "\n".join(["| option | what | default |", "|---|---|---|", *rows])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")


def _true_or_false(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"
