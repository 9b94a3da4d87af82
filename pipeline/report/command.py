"""Write one HTML page of an output, that can be mailed: `python -m pipeline.report OUT`.

The page holds counts, charts, rejects and some posts with small pictures. It needs no network and no script.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import sys
from typing import NoReturn

from archive.credentials import store_problems_as
from archive.whole_file import whole_file
from pipeline.process import EXIT_DONE, EXIT_USAGE
from pipeline.report.build import build
from transforms.writers.writer import UnreadableError

FILE = "report.html"
POSTS = 200
MOST_POSTS = 5000
"""More would make a page that browsers open slowly."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(argv: list[str]) -> int:
    """Write the page. Return the exit status: 2 if an argument is wrong."""
    parser = _Parser(prog="pipeline.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT", help="folder that run_pipeline.py wrote")
    parser.add_argument(
        "--images",
        metavar="SHARDS",
        action="append",
        default=[],
        help="shards or folders of the pictures, may be repeated (default: the shards that run.json names)",
    )
    parser.add_argument("--posts", metavar="N", default=str(POSTS), help="how many posts to show (default: %(default)s)")
    parser.add_argument("--to", metavar="FILE", help=f"the page (default: OUT/{FILE})")
    options = parser.parse_args(argv)
    if not is_number(options.posts) or int(options.posts) > MOST_POSTS:
        parser.error(f"--posts is {options.posts!r}: give a whole number from 0 to {MOST_POSTS:,}")
    output = options.output.rstrip("/") or "/"
    to = options.to or posixpath.join(output, FILE)
    if os.path.isdir(to):
        parser.error(f"--to {to!r} is a folder: give the name of a file")
    try:
        with store_problems_as(ValueError):
            page, notes = build(output, options.images, int(options.posts))
            with whole_file(to) as file:
                file.write(page.encode("utf-8", "replace"))
    except UnreadableError as error:
        parser.error(str(error))
    except (OSError, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    for note in notes:
        print(f"pipeline.report: {note}", file=sys.stderr)
    print(f"report: {to} ({len(page.encode('utf-8', 'replace')) / 1e6:.1f} MB)")
    return EXIT_DONE


def is_number(text: str) -> bool:
    """Return True for a whole number of ASCII digits that is not absurdly long."""
    return text.isascii() and text.isdecimal() and len(text) < 10
