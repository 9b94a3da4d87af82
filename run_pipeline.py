"""The command: `python run_pipeline.py --help`.

Nothing is defined here: workers would get it pickled by value.
"""

import sys

from pipeline.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
