"""Do on this machine what a Dockerfile does in an image, as far as it goes without Docker: its COPY and RUN lines, in order.

    python -m deploy.docker.rehearse deploy/docker/cpu.Dockerfile --arg TORCH_INDEX=https://pypi.org/simple

Files are copied to a temporary folder in place of the image's root, `python` is that of a new environment there, and files
of other images are left out. What was rehearsed then annotates two posts. Takes minutes and, with CUDA's libraries, 8 GB of
disk. `apt-get` runs with --simulate: packages are looked up, not installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
POSTS = '{"id": 1, "text": "Paris"}\n{"id": 2, "text": "Angela Merkel visits Siemens in Berlin"}\n'


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Its lines as (instruction, rest), without comments."""
    lines = [line for line in dockerfile.read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def rehearse(dockerfile: Path, given: dict[str, str], image: Path) -> None:
    """Fill the folder `image`. Raises CalledProcessError where a RUN line fails."""
    subprocess.run([sys.executable, "-m", "venv", image / "venv"], check=True)
    environment = {**os.environ, "PATH": f"{image}/venv/bin:{os.environ['PATH']}"}
    workdir = image
    for instruction, rest in instructions(dockerfile):
        if instruction == "ARG":
            name, _, value = rest.partition("=")
            environment[name] = given.get(name, value)
        elif instruction == "ENV":
            environment |= dict(setting.split("=", 1) for setting in rest.split())
        elif instruction == "WORKDIR":
            workdir = image / rest.lstrip("/")
            workdir.mkdir(parents=True)
        elif instruction == "COPY" and not rest.startswith("--from="):
            *sources, target = rest.split()
            for source in sources:
                copy(ROOT / source, workdir / target)
        elif instruction == "RUN":
            print(f"RUN {rest}", flush=True)
            subprocess.run(_harmless(rest), shell=True, cwd=workdir, env=environment, check=True)
    (image / "posts.jsonl").write_text(POSTS)
    command = ["python", f"{workdir}/run_pipeline.py", f"--posts={image}/posts.jsonl", f"--output={image}/out"]
    subprocess.run(command, cwd=image, env=environment, check=True)


def _harmless(line: str) -> str:
    """A RUN line that leaves the packages of this machine as they are."""
    return (
        line.replace("apt-get update", "true").replace("apt-get install", "apt-get --simulate install").replace("rm -rf /var", "true /var")
    )


def copy(source: Path, target: Path) -> None:
    """A file into a folder, or the content of a folder into one, as COPY does."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def main(argv: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="deploy.docker.rehearse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="as --build-arg of docker build")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="postner-image-") as image:
        rehearse(options.dockerfile, dict(arg.split("=", 1) for arg in options.arg), Path(image))


if __name__ == "__main__":
    main(sys.argv[1:])
