"""What the smaller commands share: mistakes in one sentence, help that shows the defaults, and paths that are checked."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

EXIT_USAGE = 2
"""Exit status of a mistake in the command."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Shows the description as it is written, and the default of each option that has one and does not tell it itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        tells_it = "default" in (action.help or "")
        return action.help if tells_it or not action.default else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, which suggests the option that a misspelt one may mean.

    Args:
        prog: name of the command.
        description: text of its help, shown as it is written.
    """

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog=prog, description=description, formatter_class=HelpFormatter, allow_abbrev=False)

    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        """Parse the arguments. Exits with status 2 and a sentence if one is wrong."""
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            given = rest[0].split("=")[0]
            near = difflib.get_close_matches(given.replace("-", "_"), [name.replace("-", "_") for name in self._option_string_actions], n=1)
            meant = f", did you mean --{near[0].lstrip('_')}?" if near and given.startswith("-") else ""
            self.error(f"unknown {'option' if given.startswith('-') else 'argument'} {given!r}{meant}")
        return options

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see --help)\n")


def existing(text: str) -> Path:
    """Return the path of a file or folder; for `type=` of an argument."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {text!r}")
    return path
