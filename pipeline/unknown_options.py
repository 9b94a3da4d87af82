"""Answer options that are surely mistakes at once, before Beam is imported, which takes seconds."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from itertools import pairwise

from pipeline.definitions import UsageError

ALIKE = 0.8
"""From this similarity on a name is taken for a misspelt one of ours. No option of Beam is that similar."""

NEVER_SUGGESTED = "overwrite"
"""It empties a folder: who means it spells it out."""


def refuse_misspelt(argv: Sequence[str], ours: Collection[str]) -> None:
    """Raise UsageError for an option that is nearly one of ours.

    Args:
        argv: the command line.
        ours: names of our options, without dashes.
    """
    for argument in argv:
        if argument == "--":
            return
        given = argument.split("=")[0]
        name = given.lstrip("-").replace("-", "_")
        if not argument.startswith("-") or len(name) < 2 or (given in (f"--{name}", "-h", "--help") and name in (*ours, "help")):
            continue
        near = difflib.get_close_matches(name, ours, n=1, cutoff=ALIKE) or [one for one in ours if len(name) > 2 and one.startswith(name)]
        if near:
            raise UsageError(
                f"unknown option {given!r}" + (" (see --help)" if near[0] == NEVER_SUGGESTED else f", did you mean --{near[0]}?")
            )


def refuse_stray(rest: Sequence[str]) -> None:
    """Raise UsageError for a word that cannot be the value of an option.

    Args:
        rest: what is left of the command line without our options.
    """
    for before, word in pairwise(["", *rest]):
        if not word.startswith("-") and (not before.startswith("-") or "=" in before):
            if word.startswith(("–", "—", "−")):
                raise UsageError(f"unexpected argument {word!r}: options begin with two hyphens, not with a dash")
            raise UsageError(f"unexpected argument {word!r}: put a glob in quotes, so that the shell leaves it whole")
