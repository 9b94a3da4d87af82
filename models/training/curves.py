"""Write the loss and the valid F1 of each epoch as a table and as a plot."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_curves(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """Write `curves.csv`, one row per epoch, and `curves.png`. `history` is that of `Training`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, fieldnames=list(history[0]))
        rows.writeheader()
        rows.writerows(history)
    epochs = [record["epoch"] for record in history]
    figure, left = pyplot.subplots(figsize=(5, 3), layout="constrained")
    left.plot(epochs, [record["loss"] for record in history], color="tab:gray")
    left.set(xlabel="epoch", ylabel="training loss (gray)")
    if "valid_f1" in history[0]:
        right = left.twinx()
        right.plot(epochs, [record["valid_f1"] for record in history], color="tab:blue", marker="o")
        right.set_ylabel("valid F1 (blue)")
    figure.savefig(folder / "curves.png", dpi=120)
    pyplot.close(figure)
