"""Run the command on a local Flink cluster: measure rate and memory, and check the rows when TaskManagers are killed.

    python -m bench.flink --archive DIR --posts 20000 --detector none         # rate, and peak memory of each process
    python -m bench.flink --archive DIR --posts 400 --kills 10                # and runs in which a TaskManager is killed
    python -m bench.flink --posts 200000 --detector none                      # posts that are empty or one emoji, without pictures

DIR holds posts-*.jsonl.gz and images-*.tar. Each output is verified, and the rows of disturbed runs are compared with those
of the first run. `make flink` downloads Flink.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from archive.command_line import Parser, existing
from bench.growth import write_short_posts
from bench.kills import finish, rows
from bench.sample import first_posts, repeated
from deploy.flink.cluster import JARS, Cluster

ROOT = Path(__file__).parent.parent
FILES = 8


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 1 if rows differ."""
    parser = Parser("bench.flink", __doc__)
    add = parser.add_argument
    add("--archive", type=existing, help="folder with posts-*.jsonl.gz and images-*.tar")
    add("--posts", type=int, default=400, help="how many posts")
    add("--kills", type=int, default=0, help="more runs, in each of which a TaskManager is killed at a random moment and replaced")
    add("--seed", type=int, default=0, help="of the order of the kills")
    options, more = parser.parse_known_args(argv)
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, Cluster(JARS, Path(folder) / "cluster", 2) as cluster:
        _write_posts(options.archive, options.posts, Path(folder))
        images = [f"--images={options.archive}/images-*.tar"] if options.archive else []
        command = [sys.executable, "run_pipeline.py", f"--posts={folder}/*.jsonl", *images, *more]
        undisturbed = Path(folder) / "undisturbed"
        peaks = _run([*command, f"--output={undisturbed}", *cluster.options()], undisturbed, cluster)
        expected, files = rows(str(undisturbed)), len(list(undisturbed.glob("annotations/*.parquet")))
        assert len({row["post_id"] for row in expected}) == len(expected) == options.posts
        print(f"{len(expected):,} posts, {json.loads((undisturbed / 'run.json').read_text())['posts_per_second']} a second")
        for name, peak in sorted(peaks.items()):
            print(f"  {name}: peak {peak / 2**30:.2f} GB", flush=True)
        for _ in range(options.kills):
            output, share = Path(folder) / "killed", chance.random()
            _run([*command, f"--output={output}", *cluster.options()], output, cluster, round(share * files))
            if rows(str(output)) != expected:
                print("the rows differ from those of the undisturbed run", file=sys.stderr)
                return 1
            print(f"a TaskManager killed after {share:.0%} of the files: the same {len(expected):,} rows", flush=True)
            shutil.rmtree(output)
    return 0


def _write_posts(archive: Path | None, count: int, folder: Path) -> None:
    """Write `count` posts to several files, repeated if the archive has fewer."""
    if archive is None:
        for file in range(FILES):
            write_short_posts(folder / f"{file}.jsonl", range(file, count, FILES))
        return
    posts = first_posts(archive, count)
    lines = list(repeated(posts, -(-count // len(posts))))[:count]
    for file in range(FILES):
        (folder / f"{file}.jsonl").write_text("\n".join(lines[file::FILES]), encoding="utf-8")


def _run(command: list[str], output: Path, cluster: Cluster, kill_after: int | None = None) -> dict[str, int]:
    """Run a command and return the peak resident bytes of each kind of process.

    A TaskManager is killed, and replaced, when `kill_after` files of annotations are written.
    """
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks: dict[str, int] = {}
    while process.poll() is None:
        time.sleep(0.2)
        alive = [manager for manager in cluster.processes[1:] if manager.poll() is None]
        for manager in alive:
            _note(peaks, manager.pid)
        if kill_after is not None and len(list(output.glob("annotations/*.parquet"))) >= kill_after:
            os.kill(alive[0].pid, signal.SIGKILL)
            cluster.start_task_manager(len(cluster.processes))
            kill_after = None
    if process.returncode:
        raise SystemExit(f"the run ended with status {process.returncode}: {(output / 'error.log').read_text()}")
    finish([sys.executable, "-m", "pipeline.verify", str(output)])
    return peaks


def _note(peaks: dict[str, int], pid: int) -> None:
    try:
        manager = psutil.Process(pid)
        for name, one in [("TaskManager", manager), *(("Python worker", child) for child in manager.children(recursive=True))]:
            peaks[name] = max(peaks.get(name, 0), one.memory_info().rss)
    except psutil.NoSuchProcess:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
