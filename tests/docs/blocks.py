"""Fenced blocks of README.md and docs/: what is a command, and which ones are marked as not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = {"python", "python3.11", ".venv/bin/python", "postner", "pip", "make", "cd", "docker", "kubectl", "gcloud", "unshare", "source"}
_FENCED = re.compile(
    r"^(?P<mark><!-- not run here: (?P<reason>[^\n]+) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """One fenced block: its page, language, content, and why it is not run (None if it is)."""

    page: str
    language: str
    text: str
    reason: str | None

    def lines(self) -> list[str]:
        """Return the commands, one a line, without comments."""
        joined = re.sub(r"\s*\\\n\s*", " ", self.text)
        return [line for raw in joined.splitlines() if (line := re.sub(r"(^|\s+)# .*", "", raw).strip())]


def blocks(*languages: str) -> Iterator[Block]:
    for page in PAGES:
        for found in _FENCED.finditer(page.read_text(encoding="utf-8")):
            if found["language"] in languages:
                yield Block(page.name, found["language"], found["text"], found["reason"])


def commands() -> Iterator[Block]:
    """Blocks of shell commands; a block without a language is one if it begins with a program."""
    for block in blocks("", "sh", "bash", "shell", "console"):
        if block.language or block.text.split(maxsplit=1)[0] in PROGRAMS:
            yield block
