"""The command `python -m pipeline.report`."""

import sys

from pipeline.report.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
