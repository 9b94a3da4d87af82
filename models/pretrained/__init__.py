"""Models that the repository ships: `default`, a bundle, and `detector`."""

from pathlib import Path

PRETRAINED = Path(__file__).parent
SHIPPED = "shipped"
"""What an option says for the model that the repository ships."""
