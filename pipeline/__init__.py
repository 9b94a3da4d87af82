"""A run. Importing it quietens the libraries, in worker processes too, so it comes before Beam and transformers."""

import logging
import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
logging.basicConfig(level=logging.CRITICAL)  # Beam logs the traceback of a failure; ours goes to error.log
