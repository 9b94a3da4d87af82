"""The command: `python run_pipeline.py --help`.

Nothing is defined here: workers would get it pickled by value.
"""

import sys

from pipeline.command import main
from pipeline.process import end

if __name__ == "__main__":
    end(main(sys.argv[1:]))
