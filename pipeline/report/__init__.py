"""One HTML page of an output, which needs no network and no script: `python -m pipeline.report OUT`."""
