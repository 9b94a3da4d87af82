"""What the smaller commands share: help that shows the defaults, and paths that are checked."""

from __future__ import annotations

import argparse
from pathlib import Path


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Shows the description as it is written, and the default of each option that has one and does not tell it itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        tells_it = "default" in (action.help or "")
        return action.help if tells_it or not action.default else super()._get_help_string(action)


def existing(text: str) -> Path:
    """Return the path of a file or folder; for `type=` of an argument."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {text!r}")
    return path
