"""What a start does not import: each of these takes between a tenth of a second and two seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {
    "huggingface_hub",
    "matplotlib",
    "onnxruntime",
    "rapidocr",
    "scipy",
    "sympy",
    "torch._dynamo",
    "torchvision",
    "transformers",
    "ultralytics",
}

START = """
import pipeline.command, pipeline.work, pipeline.audit, pipeline.notes, pipeline.summary, pipeline.run_record, pipeline.metrics
from models.loading import load_annotator, load_vision_model
from models.inference.options import ModelOptions
load_vision_model(ModelOptions(threads=1)), load_annotator(ModelOptions(threads=1))
import sys
print("imported:", *sys.modules)
"""
"""Import what a run needs, and load the shipped models."""


def imported() -> set[str]:
    """Return which of the heavy modules a start imports."""
    done = subprocess.run([sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    return HEAVY & set(done.stdout.rpartition("imported: ")[2].split())


def test_a_start_imports_nothing_that_it_does_not_need() -> None:
    pytest.importorskip("openvino")
    assert not imported() or imported() == set(), "the first start compiles the networks, later ones do not"


def test_openvino_does_not_tell_its_maker(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    environment = {**os.environ, "HOME": str(tmp_path)}  # its telemetry keeps a number of the user there
    code = "import models, openvino; from openvino.tools.ovc.telemetry_utils import tm; print(tm.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert "stub" in done.stdout
    assert list(tmp_path.iterdir()) == []
