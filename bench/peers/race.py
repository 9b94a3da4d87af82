"""Time the command and its peers in turn, on the same posts, and compare their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.command_run import CommandRun, run_command
from bench.inputs import Inputs
from bench.peers.peer import Peer, PeerError, Setting
from bench.peers.rows import Row, read_output
from bench.peers.task import Task
from bench.peers.token_classifier import write_token_classifier
from bench.process_tree import Measured, ProgramError

TUNING_SHARE = 3
"""A peer's settings are tried on one post of so many."""


@dataclass
class Entry:
    """A peer in the race.

    Attributes:
        peer: which one.
        label: its name with versions.
        setting: its fastest one.
        compared: how its rows compare with ours.
        work_s, start_s, peak_bytes: of each round.
    """

    peer: Peer
    label: str
    setting: Setting
    compared: str = ""
    work_s: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)


class Race:
    """Runs the command and its peers.

    Args:
        inputs: the posts.
        threads: of all of a program's workers together, at most.
        folder: for what the programs read and write.
        tell: called with a line for each thing that was done.
    """

    def __init__(self, inputs: Inputs, threads: int, folder: Path, tell: Callable[[str], None]) -> None:
        self._inputs, self._threads, self._folder, self._tell = inputs, threads, folder, tell
        self._runs = 0
        self._ours: dict[str, dict[str, Row]] = {}  # by precision; "" is the command's default
        self.command: list[CommandRun] = []
        self.entries: list[Entry] = []
        self.problems: list[str] = []

    def run(self, peers: Sequence[Peer], rounds: int) -> None:
        """Tune the peers, then run the rounds. A peer without a time becomes a problem. Raises ProgramError if the command fails."""
        for precision in sorted({"", *(peer.precision or "" for peer in peers)}):
            self._ours[precision] = self._annotated(precision)[0]
        write_token_classifier(self._folder / "classifier", self._inputs.texts, self._ours[""])
        for peer in peers:
            self._guarded(peer, partial(self._tune, peer))
        for number in range(rounds):
            self.command.append(self._annotated("")[1])
            self._tell(f"round {number + 1}: the command {self.command[-1].work_s:.1f} s")
            for entry in self.entries[number % 2 :] + self.entries[: number % 2]:
                self._guarded(entry.peer, partial(self._timed, entry))

    def _guarded(self, peer: Peer, action: Callable[[], None]) -> None:
        try:
            action()
        except (PeerError, ProgramError) as error:
            self.problems.append(str(error))
            self.entries = [entry for entry in self.entries if entry.peer is not peer]
            self._tell(str(error))

    def _annotated(self, precision: str) -> tuple[dict[str, Row], CommandRun]:
        self._runs += 1
        output = self._folder / f"command-{self._runs}"
        more = [f"--precision={precision}"] if precision else []
        run = run_command([*self._inputs.for_command, f"--threads={self._threads}", *more], output)
        return read_output(output), run

    def _tune(self, peer: Peer) -> None:
        """Enter a peer with the fastest of its settings."""
        label, fastest = peer.label(), peer.settings[0]
        if len(peer.settings) > 1:
            some = self._folder / "some.jsonl"
            lines = self._inputs.unpacked.read_text(encoding="utf-8").splitlines(keepends=True)
            some.write_text("".join(lines[::TUNING_SHARE]), encoding="utf-8")
            seconds = {setting: self._run(peer, setting, some)[0] for setting in peer.settings}
            tried = ", ".join(f"{told(setting)} {took:.1f} s" for setting, took in seconds.items())
            self._tell(f"{label} on a part of the posts: {tried}")
            fastest = min(seconds, key=lambda setting: seconds[setting])
        self.entries.append(Entry(peer, label, fastest))

    def _timed(self, entry: Entry) -> None:
        work_s, measured, rows = self._run(entry.peer, entry.setting, self._inputs.unpacked)
        entry.compared = entry.peer.compared(self._ours[entry.peer.precision or ""], rows)
        entry.work_s.append(work_s)
        entry.start_s.append(measured.seconds - work_s)
        entry.peak_bytes.append(measured.peak_bytes)
        self._tell(f"  {entry.label} {work_s:.1f} s")

    def _run(self, peer: Peer, setting: Setting, posts: Path) -> tuple[float, Measured, Path]:
        rows = self._folder / "rows.jsonl"
        rows.unlink(missing_ok=True)
        task = Task(str(posts), str(rows), classifier=str(self._folder / "classifier"))
        work_s, measured = peer.task(task, setting).run(peer.module)
        return work_s, measured, rows


def told(setting: Setting) -> str:
    """Return a setting as words."""
    workers, threads, batch_size = setting
    return f"{workers} x {threads} threads, batches of {batch_size}"
