"""Options as fields of a dataclass: their parser, their validation and the README's table come from one definition.

python -m pipeline.option_table    # prints the table for README.md
"""

from __future__ import annotations

import argparse
import re
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NoReturn

TYPES = {"str": str, "int": int, "float": float, "bool": bool}


class UsageError(ValueError):
    """A mistake of the user; the message is one sentence that names the value and the cure."""


@dataclass(frozen=True)
class Option:
    """One option of the command.

    Attributes:
        help: what it does.
        metavar: what the help calls its value.
        shown: the default in words; empty if the value says enough.
        least: smallest value.
        above: the value must be greater than this.
        most: largest value.
        zero: what 0 means.
        pattern: regular expression of the values, empty for any.
        values: the same in words.
        none: whether the word `none` stands for None.
        may_be_empty: whether empty text is accepted.
        changes_rows: whether it changes rows of the output, so that `--resume` refuses another value.
        name: of the field.
        type: of the value, without None.
        default: MISSING if the option is required.
    """

    help: str
    metavar: str = ""
    shown: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    zero: str = ""
    pattern: str = ""
    values: str = ""
    none: bool = False
    may_be_empty: bool = False
    changes_rows: bool = False
    name: str = ""
    type: type = str
    default: Any = MISSING

    @property
    def default_text(self) -> str:
        """The default in words; empty for none."""
        if self.shown or self.default in (MISSING, None, False):
            return self.shown
        return str(self.default)

    @property
    def range_text(self) -> str:
        """The range in words."""
        low = f"more than {self.above}" if self.least is None else f"{self.least}" + (f" ({self.zero})" if self.zero else "")
        if self.most is None:
            return low if self.least is None else f"{low} or more"
        return f"{low} and at most {self.most}" if self.least is None else f"from {low} to {self.most}"

    def check(self, value: Any) -> Any:
        """Return the value that the text or number stands for. Raises UsageError."""
        if isinstance(value, str):
            if not value.strip() and not self.may_be_empty:
                raise UsageError(f"--{self.name} is empty: give a value, or leave it out")
            if self.none and value.lower() == "none":
                return None
            if self.pattern and not re.fullmatch(self.pattern, value):
                raise UsageError(f"--{self.name} {value!r} is none of {self.values}")
        elif self.least is not None or self.above is not None:
            low = value > self.above if self.least is None else value >= self.least  # false for nan
            if not (low and (self.most is None or value <= self.most)):
                raise UsageError(f"--{self.name} must be {self.range_text}, not {value}")
        return value


def option(default: Any = MISSING, **attributes: Any) -> Any:
    """Return a dataclass field that is an option; `attributes` are those of `Option`."""
    metadata = {"option": attributes}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def options_of(kind: type) -> list[Option]:
    """Return the options of a dataclass, in its order."""
    return [
        Option(name=f.name, type=TYPES[str(f.type).removesuffix(" | None")], default=f.default, **f.metadata["option"])
        for f in fields(kind)
    ]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")


def _true_or_false(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def parser_of(kind: type, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return the command line of a dataclass of options."""
    parser = _Parser(
        prog="run_pipeline.py",
        description=description,
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for o in options_of(kind):
        text = o.help + (f" (default: {o.default_text})" if o.default_text else "")
        if o.type is bool:  # a flag; templates of Dataflow can give options only with a value
            parser.add_argument(f"--{o.name}", nargs="?", const=True, default=o.default, type=_true_or_false, metavar="true", help=text)
        elif o.default is MISSING:
            parser.add_argument(f"--{o.name}", required=True, type=o.type, metavar=o.metavar, help=text)
        else:
            parser.add_argument(f"--{o.name}", default=o.default, type=o.type, metavar=o.metavar, help=text)
    return parser


def readme_table(kind: type) -> str:
    """Return the README's table of a dataclass of options."""
    rows = ["| option | what | default |", "|---|---|---|"]
    for o in options_of(kind):
        default = "required" if o.default is MISSING else o.default_text or ("off" if o.type is bool else "none")
        rows.append(f"| `{f'--{o.name} {o.metavar}'.strip()}` | {o.help} | {default} |")
    return "\n".join(rows)


if __name__ == "__main__":
    from pipeline.options import RunOptions

    print(readme_table(RunOptions))
