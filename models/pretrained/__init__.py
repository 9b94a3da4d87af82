"""The shipped models: `default`, a bundle, and `detector`."""

from pathlib import Path

PRETRAINED = Path(__file__).parent
SHIPPED = "shipped"
"""Value of `--model` and `--detector` that stands for the shipped model."""
