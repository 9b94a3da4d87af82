"""How much of a run a fast device is busy, by the number of decoding threads.

    python -m bench.overlap [--posts 4000] [--threads 1 2 4 8]

Nothing here needs a GPU. The networks are stand-ins that sleep: one device does 500 pictures or 5,000 posts a second, one
batch at a time. Each ranged read of the store takes 30 ms. Decoding sleeps 10 ms a picture and gives real squares of
640 pixels, through real processes. Each post has one picture. Slices are as long as those of a posts file.

`decoding allows` is the share that decoding and the reads would allow if nothing else took time.

On two cores beside busy neighbours (load 7): 8 threads 88 %, decoding allows 100 %; 4 threads 51 % of 64 %. Two threads, one
read a picture and nothing ahead of a slice, as it was before: 10 %.
"""

from __future__ import annotations

import sys

from archive.command_line import Parser


def main(argv: list[str]) -> int:
    """The command."""
    parser = Parser("bench.overlap", __doc__)
    parser.add_argument("--posts", type=int, default=4000, help="how many posts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8], help="numbers of decoding threads to compare")
    options = parser.parse_args(argv)
    from bench.sleeping_device import measure  # takes seconds: torch and Beam

    measure(options.posts, options.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
