"""Data that tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

settings.register_profile("tests", deadline=None)  # a busy machine is no fault; each test has a timeout
settings.load_profile("tests")

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo" / "archive"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data is not here: it lies in ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Makes small JPEG files, each seed another picture."""

    def make(seed: int = 0, size: tuple[int, int] = (80, 60)) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
        file = BytesIO()
        Image.fromarray(pixels).resize(size).save(file, "JPEG")
        return file.getvalue()

    return make


@pytest.fixture
def posts_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a JSONL file of the given objects and raw lines."""

    def write(*lines: dict[str, Any] | bytes, name: str = "posts.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines))
        return path

    return write
