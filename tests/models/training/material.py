"""Tweets, and the command that trains on them, for tests of training."""

from __future__ import annotations

import random
from pathlib import Path

PEOPLE, PLACES, REST = ["anna", "bob", "carla", "dan"], ["paris", "rome", "oslo", "lima"], ["loves", "sees", "in", "and", "the", "again"]


def tweets(count: int, seed: int) -> str:
    chance = random.Random(seed)
    made = []
    for number in range(count):
        words = [(chance.choice(PEOPLE).title(), "B-PER"), (chance.choice(REST), "O"), (chance.choice(PLACES).title(), "B-LOC"), ("!", "O")]
        made.append(f"IMGID:{number % 3}\n" + "".join(f"{word}\t{tag}\n" for word, tag in words))
    return "\n".join(made)


def command(material: Path, *more: str) -> list[str]:
    fixed = ["--threads=1", "--epochs=4", "--lr=1e-3", f"--cache={material}/features.npz", f"--output={material}/bundle"]
    paths = [f"--encoder={material}/encoder", f"--vectors={material}/vectors.bin", f"--images={material}/pictures"]
    return ["--data", str(material / "data"), *paths, *fixed, *more]
