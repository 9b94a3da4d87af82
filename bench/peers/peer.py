"""The other programs that do the same job, and how each is run at its best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bench.peers.rows import Row, differences, entity_f1, object_map50, read_json
from bench.peers.task import Task

LEAST_MAP50 = 0.6
"""Of the objects of another way to pad pictures, against ours; below it, another job was done."""


class PeerError(Exception):
    """A peer has no time: it is not installed, or its rows are not ours. The message is one sentence."""


Setting = tuple[int, int, int]
"""Workers, threads of each, and batch size."""


@dataclass(frozen=True)
class Peer:
    """A program.

    Attributes:
        name: in the table.
        module: of `bench.peers`.
        packages: that it is made of; their versions are told.
        settings: of which the fastest is used.
        precision: of our networks, in a peer that has them: its rows must be equal to ours. None for other networks.
        by_length: as in `Task`.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    settings: tuple[Setting, ...]
    precision: str | None = None
    by_length: bool = False

    def label(self) -> str:
        """Return the name with the versions of its packages. Raises PeerError if it is not installed."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            raise PeerError(f"{self.name} is not installed: run 'make peers', or pip install -r bench/peers/requirements.txt")
        return f"{self.name} ({', '.join(f'{package} {version(package)}' for package in self.packages)})"

    def task(self, task: Task, setting: Setting) -> Task:
        """Return a task with a setting."""
        workers, threads, batch_size = setting
        task = replace(task, workers=workers, threads=threads, batch_size=batch_size, by_length=self.by_length)
        return replace(task, precision=self.precision) if self.precision else task

    def compared(self, ours: Mapping[str, Row], rows: Path) -> str:
        """Return how its rows compare with ours. Raises PeerError if that is not the same job."""
        theirs = read_json(rows)
        if self.precision:
            if found := differences(ours, theirs):
                raise PeerError(f"{self.name}: {len(found)} of {len(ours)} rows differ from ours; the first: {found[0]}")
            return f"equal in all {len(ours)}"
        if theirs.keys() != ours.keys():
            raise PeerError(f"{self.name}: {len(theirs)} rows, ours {len(ours)}")
        told = [f"entities F1 {entity_f1(ours, theirs):.2f}"]
        if any(row.pictures for row in ours.values()):
            agreed = object_map50(ours, theirs)
            if agreed < LEAST_MAP50:
                raise PeerError(f"{self.name}: its objects agree with ours to mAP50 {agreed:.2f}, less than {LEAST_MAP50}")
            told.append(f"objects mAP50 {agreed:.2f}")
        return ", ".join(told)
