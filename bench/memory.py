"""Measure the peak memory of the command on an archive, and on 4 and 16 times as many posts.

    python -m bench.memory --archive DIR [--posts 400]

DIR holds posts-*.jsonl.gz and images-*.tar. Posts are repeated under new ids, with their pictures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from archive.command_line import Parser, existing
from bench.sample import first_posts, repeated

ROOT = Path(__file__).parent.parent
TIMES = (1, 4, 16)


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("bench.memory", __doc__)
    parser.add_argument("--archive", type=existing, required=True, help="folder with posts-*.jsonl.gz and images-*.tar")
    parser.add_argument("--posts", type=int, default=400, help="how many posts of it")
    options, more = parser.parse_known_args(argv)
    posts = first_posts(options.archive, options.posts)
    images = f"--images={options.archive}/images-*.tar"
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for times in TIMES:
            path = Path(folder) / f"{times}.jsonl"
            path.write_text("\n".join(repeated(posts, times)), encoding="utf-8")
            peaks[times] = _peak([sys.executable, "run_pipeline.py", f"--posts={path}", images, f"--output={folder}/{times}", *more])
            size, share = peaks[times] / 2**20, peaks[times] / peaks[1]
            print(f"{times:>3} x {len(posts)} posts: peak {size:.2f} GB, {share:.3f} of the first", flush=True)
    return 0


def _peak(command: list[str]) -> int:
    """Return the peak resident memory of a command in KiB. It runs as the only child of a new process, which measures it."""
    program = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", program, *command], cwd=ROOT, check=True, capture_output=True, text=True)
    return int(done.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
