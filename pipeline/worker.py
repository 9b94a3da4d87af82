"""Where a worker process begins. Beam is not imported here before it is told to be quiet."""

from __future__ import annotations

import pickle
from multiprocessing.connection import Connection

from pipeline.process import quiet


def begin(job: bytes, connection: Connection) -> None:
    """Do a pickled `pipeline.work.Job` and tell the counters."""
    quiet()
    from pipeline.work import work

    work(pickle.loads(job), connection)  # from the process that began this one
