"""Count what a run on an engine has written so far: Flink reports its own counters only at the end."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress

from tqdm import tqdm

from archive.stores import open_file
from pipeline.output import FOLDERS, names_in
from transforms.writers import WRITER
from transforms.writers.writer import Folder, UnreadableError


class WrittenFiles:
    """Counts the files that appear in an output, each once.

    Args:
        output: its address. What is in it now is not counted.
    """

    def __init__(self, output: str) -> None:
        self._output = output
        self._started = time.monotonic()
        self._before: dict[Folder, set[str]] = {folder: self._names(folder) for folder in FOLDERS}
        self._counted: dict[Folder, set[str]] = {folder: set() for folder in FOLDERS}
        self._counts: Counter[str] = Counter()

    def line(self) -> str:
        """Return the line of progress: time, and files of annotations."""
        files = len(self._names("annotations") - self._before["annotations"])
        return f"{tqdm.format_interval(time.monotonic() - self._started)}, {files:,} files of annotations written"

    def counts(self) -> Counter[str]:
        """Read the files that are new, and return the counters so far, named as those of a run on this machine."""
        for folder in FOLDERS:
            for name in sorted(self._names(folder) - self._before[folder] - self._counted[folder]):
                with suppress(OSError, UnreadableError):  # looked at again the next time; the audit tells what is wrong
                    self._counts += self._counts_of(folder, name)
                    self._counted[folder].add(name)
        return self._counts.copy()

    def _counts_of(self, folder: Folder, name: str) -> Counter[str]:
        with open_file(f"{self._output}/{folder}/{name}") as file:
            if folder == "rejects":
                return Counter(f"rejects.{reject.stage}.{reject.reason}" for reject in WRITER.rejects(file))
            found = WRITER.counts(file)
        if found is None:
            return Counter()
        counts = Counter(rows=found.rows, tagged=found.rows, lines=found.facts.lines, blanks=found.facts.blanks)
        for kind, of_kind in (("entities", found.entities), ("images", found.images), ("skipped", found.facts.skipped)):
            counts.update({f"{kind}.{label}": amount for label, amount in of_kind.items()})
        return counts

    def _names(self, folder: Folder) -> set[str]:
        return {name for name in names_in(f"{self._output}/{folder}") if name.endswith(WRITER.suffix)}
