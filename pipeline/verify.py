"""Check an output folder: that nothing was lost or doubled, and that every row is what the schema promises.

    python -m pipeline.verify OUT

Counts lines, rows, rejects and blanks of each posts file, reads every row, and compares SHA-256 of files with run.json.
Posts files that are still there are counted anew. Exit status: 0 all is well, 1 it is not (each problem in a sentence), 2 no such output.
"""

from __future__ import annotations

import sys

from archive.command_line import Parser
from archive.credentials import store_problems_as
from pipeline import manifest
from pipeline.inspection import inspect
from pipeline.options import UsageError
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_USAGE

SHOWN = 20


def main(argv: list[str]) -> int:
    """The command."""
    parser = Parser("pipeline.verify", __doc__)
    parser.add_argument("output", metavar="OUT", help="folder that run_pipeline.py wrote")
    output = parser.parse_args(argv).output.rstrip("/")

    try:
        with store_problems_as(UsageError):
            problems = inspect(output)
    except UsageError as error:
        print(f"postner: {error}", file=sys.stderr)
        return EXIT_USAGE
    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f"and {len(problems) - SHOWN} more")
    if not problems:
        summary = manifest.load(output)[1]
        print(f"{output}: {summary['lines']:,} lines, {summary['rows']:,} rows, all is accounted for")
    return EXIT_FAILED if problems else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
