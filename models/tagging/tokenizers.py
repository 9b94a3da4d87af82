"""How many threads the tokenizers of this process use: their library reads it from the environment."""

from __future__ import annotations

import os


def limit_tokenizers(threads: int) -> None:
    """Let tokenizers work on several texts of a batch at a time, on at most this many threads.

    What the user has set stays. A forked process uses one thread, since it does not have the threads of its parent. The
    number counts from the first batch on: the library starts its threads then.
    """
    os.environ.setdefault("RAYON_NUM_THREADS", str(threads))
    if "TOKENIZERS_PARALLELISM" not in os.environ:
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
