"""The command `postner` of the installed package: `postner annotate ...` is `python run_pipeline.py ...`, and so on."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

from pipeline.process import EXIT_DONE, EXIT_USAGE, end

COMMANDS = {
    "annotate": ("pipeline.command", "annotate an archive of posts and pictures, write Parquet"),
    "peek": ("pipeline.peek", "show what is in an archive, and the command to type"),
    "show": ("pipeline.show", "print the first posts with entities of an output"),
    "report": ("pipeline.report.command", "write one HTML page of an output"),
    "verify": ("pipeline.verify", "check that an output is whole"),
    "train": ("models.train", "train a bundle on labelled posts"),
    "evaluate": ("models.evaluate", "score a bundle on labelled posts"),
    "adapt": ("models.adapt", "adapt a text encoder to posts without labels"),
}
"""For each command the module whose `main` it is, and what it does. A module is imported when its command is given."""


def main() -> NoReturn:
    """Run one command with the options that follow it, and end with its exit status."""
    end(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command; returns its exit status: 2 if there is no such command."""
    name = argv[0] if argv else "--help"
    if name in COMMANDS:
        return import_module(COMMANDS[name][0]).main(argv[1:])
    if name in ("-h", "--help"):
        print(_help())
        return EXIT_DONE
    print(f"postner: {name!r} is no command: give one of {', '.join(COMMANDS)}", file=sys.stderr)
    return EXIT_USAGE


def _help() -> str:
    lines = [f"  {name:<10}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: postner COMMAND [OPTIONS]", "", *lines, "", "`postner COMMAND --help` shows the options of a command."])
