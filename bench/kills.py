"""Kill runs at random moments, resume them until they finish, and compare their rows with those of an undisturbed run.

    python -m bench.kills --posts 'posts-*.jsonl' --images 'images-*.tar' --kills 200 [--local_workers 2]

First one undisturbed run is timed. Each later attempt gets a random limit between 0 and 1.2 times that duration.
At the limit, its process group gets SIGKILL. Attempts that finish earlier do not count as kills.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from tqdm import tqdm

from archive.command_line import Parser

ROOT = Path(__file__).parent.parent


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 1 if rows differ."""
    parser = Parser("bench.kills", __doc__)
    add = parser.add_argument
    add("--posts", required=True, help="posts files, as in run_pipeline.py")
    add("--images", required=True, help="image shards, as in run_pipeline.py")
    add("--kills", type=int, default=200, help="how many times the run is killed")
    add("--seed", type=int, default=0, help="of the moments of the kills")
    options, more = parser.parse_known_args(argv)
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "run_pipeline.py", f"--posts={options.posts}", f"--images={options.images}", *more]
        started = time.monotonic()
        finish([*command, f"--output={folder}/undisturbed"])
        seconds = time.monotonic() - started
        expected = rows(f"{folder}/undisturbed")
        killed = runs = 0
        with tqdm(total=options.kills, desc="kills", disable=None) as bar:
            while killed < options.kills:
                output = f"{folder}/killed"
                while killed < options.kills and _killed([*command, f"--output={output}", "--resume"], chance.uniform(0, 1.2 * seconds)):
                    killed += 1
                    bar.update()
                finish([*command, f"--output={output}", "--resume"])
                if rows(output) != expected:
                    print(f"after {killed} kills the rows differ: {output} is kept", file=sys.stderr)
                    shutil.copytree(output, "out/kills-differ")
                    return 1
                subprocess.run([sys.executable, "-m", "pipeline.verify", output], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
                shutil.rmtree(output)
                runs += 1
    print(
        f"{killed} kills in {runs} runs: each run ended with the {len(expected):,} rows of an undisturbed run, and passed pipeline.verify"
    )
    return 0


def _killed(command: list[str], after_s: float) -> bool:
    """Run a command with a time limit. Return whether it was killed before it ended."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    if process.returncode:
        raise SystemExit(f"a resumed run ended with status {process.returncode}: {' '.join(command)}")
    return False


def finish(command: list[str]) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def rows(output: str) -> list[dict]:
    """Return the rows of an output, read by pyarrow, sorted by source and line."""
    return sorted(pq.read_table(f"{output}/annotations").to_pylist(), key=lambda row: (row["source"], row["line"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
