"""Save the state of a training run, so that an interrupted run resumes to the same result."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch

FOLDER = "checkpoint"


class Checkpoint:
    """Stores the state of a run in a subfolder of its output. Each state replaces the previous one atomically.

    Args:
        output: folder of the finished model.
        identity: command and data of the run. A run with another identity cannot resume from the state.

    Raises:
        ValueError: the output folder contains other files, or the state of another run.
    """

    def __init__(self, output: Path, identity: str) -> None:
        self.folder = output / FOLDER
        self._identity = identity
        if output.exists() and any(output.iterdir()) and not self.folder.exists():
            raise ValueError(f"--output {output} is not empty: give another folder, or delete it first")
        written = self.folder / "identity.txt"
        if not written.exists() or not any(path != written for path in self.folder.iterdir()):  # no state was saved yet
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = self.folder / "identity.partial"
            partial.write_text(identity, encoding="utf-8")
            os.replace(partial, written)
        elif written.read_text(encoding="utf-8") != identity:
            raise ValueError(f"{self.folder} is of another command or other data: repeat that command to resume it, or delete the folder")

    def save(self, state: dict[str, Any]) -> None:
        """Save a state of tensors, numbers, strings, lists and dictionaries."""
        partial = self.folder / "state.partial"
        torch.save(state, partial)
        os.replace(partial, self.folder / "state.pt")

    def load(self) -> dict[str, Any] | None:
        """Return the last state, or None."""
        path = self.folder / "state.pt"
        return torch.load(path, weights_only=True) if path.exists() else None

    def remove(self) -> None:
        """Delete the checkpoint. Call it when the output is complete."""
        shutil.rmtree(self.folder)
