"""Models that the repository ships: `default`, a bundle, and `detector`."""

from pathlib import Path

PRETRAINED = Path(__file__).parent
SHIPPED = "shipped"
"""Value of an option that stands for the shipped model."""
