"""Measure how long the command takes to its first line, to its models and to its first rows on disk, and what it does meanwhile.

    python -m bench.start [--posts GLOB] [--images GLOB] [--rounds 5] [an option of run_pipeline.py ...]

The stages are those of its log. Files must lie in the page cache, so the first round is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from archive.command_line import HelpFormatter

ROOT = Path(__file__).parent.parent
POLL_S = 0.01


def main(argv: list[str]) -> int:
    """Run the rounds and print the medians. Return 1 if the command fails."""
    parser = argparse.ArgumentParser(prog="bench.start", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--posts", default=str(ROOT / "demo/archive/*.jsonl"), help="posts files, as in run_pipeline.py")
    parser.add_argument("--images", default=str(ROOT / "demo/archive/*.tar"), help="image shards, as in run_pipeline.py")
    parser.add_argument("--rounds", type=int, default=5, help="how many times it is timed")
    options, more = parser.parse_known_args(argv)
    command = [sys.executable, "run_pipeline.py", f"--posts={options.posts}", f"--images={options.images}", *more]
    rounds: list[dict[str, float]] = []
    for number in range(options.rounds + 1):
        times = _times(command)
        if "first row" not in times:
            print("bench: the command wrote no row", file=sys.stderr)
            return 1
        if number:
            rounds.append(times)
    print(f"seconds from the start of the process, median (least to most) of {options.rounds} rounds:")
    for stage in rounds[0]:
        seconds = [times[stage] for times in rounds if stage in times]
        print(f"  {statistics.median(seconds):5.2f} ({min(seconds):.2f} to {max(seconds):.2f})  {stage}")
    return 0


def _times(command: list[str]) -> dict[str, float]:
    """Return when each stage began and when the first file of rows was there, in seconds."""
    times: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        log = ["--log_level=debug", "--log_format=json"]
        process = subprocess.Popen(
            [*command, *log, f"--output={folder}/out"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        lines = process.stderr

        def listen() -> None:
            for line in lines:
                seconds = time.perf_counter() - started
                message = json.loads(line)["message"]
                if not message.startswith(("indexing", "run ")):
                    times.setdefault(message, seconds)

        listener = threading.Thread(target=listen)
        listener.start()
        while process.poll() is None and "first row" not in times:
            if any(Path(folder, "out", "annotations").glob("[!.]*.parquet")):
                times["first row"] = time.perf_counter() - started
            time.sleep(POLL_S)
        process.wait()
        listener.join()
    return times if process.returncode == 0 else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
