"""Measure how busy a GPU is kept, by the size of batches, against the same network on tensors that lie on the device.

    python -m bench.gpu [--device auto] [--compile] [--batch_sizes 1 8 32 128] [--posts GLOB] [--images GLOB] [--seconds 5]

For each size of batches it prints:

- `prepared`: pictures a second of the network alone, on bytes that are on the device already;
- `detect`: the same from pixels in the memory of the host to objects there, and `busy`, the share of that time in which
  the device computes, as the first figure tells;
- `posts`: posts a second from files to rows that are ready to be written, and what part of that time the pictures take on the device;
- `memory`: most of the device's memory that was in use.

Without a GPU it runs the same code on the CPU, one thread: that shows that it works, not how fast a GPU is.
"""

from __future__ import annotations

import sys

from archive.command_line import Parser
from bench.sample import DEMO


def main(argv: list[str]) -> int:
    """Print a line for each size of batches. Return 2 if a file is not there."""
    options = _parser().parse_args(argv)
    from bench.device_load import measure  # takes seconds: torch and Beam

    try:
        measure(options)
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser("bench.gpu", __doc__)
    parser.add_argument("--device", default="auto", help="as in run_pipeline.py")
    parser.add_argument("--precision", default="auto", help="as in run_pipeline.py")
    parser.add_argument("--compile", action="store_true", help="as in run_pipeline.py, also on the CPU")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 8, 32, 128], help="pictures and texts of a batch")
    parser.add_argument("--posts", nargs="+", default=[str(DEMO / "*.jsonl")], help="posts files, as in run_pipeline.py")
    parser.add_argument("--images", nargs="+", default=[str(DEMO / "*.tar")], help="image shards, as in run_pipeline.py")
    parser.add_argument("--seconds", type=float, default=5, help="how long a round takes")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
