"""Measure the shipped detector by engine, precision and shape of the picture, each picture in turn by all of them.

    python -m bench.detectors [--images 'images-*.tar'] [--photos 40]

It prints pictures per second of CPU time on one thread: what a core does, also while other programs use the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from archive.command_line import Parser


def main(argv: Sequence[str]) -> int:
    """Print one line for each way to run the detector, and return the exit status."""
    parser = Parser("bench.detectors", __doc__)
    parser.add_argument("--images", default="demo/archive/images-*.tar", help="glob of image shards, or a folder")
    parser.add_argument("--photos", type=int, default=40, help="how many photos to use: the first ones")
    options = parser.parse_args(argv)
    from bench.detector_rates import measure  # takes seconds: torch

    measure(options.images, options.photos)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
