"""Run the COPY and RUN lines of a Dockerfile on this machine, without Docker.

    python -m deploy.docker.rehearse deploy/docker/cpu.Dockerfile --arg TORCH_INDEX=https://pypi.org/simple

Files are copied to a temporary folder that represents the root of the image. It has a new Python environment. Files from
other images are left out. At the end the result annotates two posts.

RUN lines may only use the commands in `ALLOWED`, joined by `&&`, with `> FILE`. They run without a shell. Any other line is
refused before anything runs. The packages of this machine are not changed: `apt-get install` is only simulated. It takes
minutes and, with CUDA's libraries, 8 GB of disk.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from archive.command_line import Parser

ROOT = Path(__file__).parent.parent.parent
POSTS = '{"id": 1, "text": "Paris"}\n{"id": 2, "text": "Angela Merkel visits Siemens in Berlin"}\n'

UPDATE, REMOVE_LISTS = ("apt-get", "update"), ("rm", "-rf", "/var/lib/apt/lists/*")
INSTALL = ("apt-get", "install")
ALLOWED = (("python", "-m", "pip", "install"), ("python", "-m", "pip", "check"), ("grep",), INSTALL, UPDATE, REMOVE_LISTS)
"""First words of the commands that a RUN line may use."""


class Command(NamedTuple):
    """One command of a RUN line.

    Attributes:
        words: program and arguments, with `${NAME}` not replaced yet.
        output: file in the working directory for standard output, or None.
    """

    words: tuple[str, ...]
    output: str | None


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the lines of a Dockerfile as (instruction, rest), without comments."""
    lines = [line for line in dockerfile.read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def rehearse(dockerfile: Path, arguments: dict[str, str], image: Path) -> None:
    """Run the lines of a Dockerfile in the folder `image`, then annotate two posts.

    Args:
        dockerfile: to run.
        arguments: values of ARG lines by name.
        image: empty folder that represents the root of the image.

    Raises:
        ValueError: a RUN line is refused. Nothing has run yet.
        CalledProcessError: a RUN line failed.
    """
    lines = instructions(dockerfile)
    planned = {rest: commands(rest) for instruction, rest in lines if instruction == "RUN"}
    subprocess.run([sys.executable, "-m", "venv", image / "venv"], check=True)
    environment = {**os.environ, "PATH": f"{image}/venv/bin:{os.environ['PATH']}"}
    workdir = image
    for instruction, rest in lines:
        if instruction == "ARG":
            name, _, value = rest.partition("=")
            environment[name] = arguments.get(name, value)
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
            for command in planned[rest]:
                run(command, workdir, environment)
    (image / "posts.jsonl").write_text(POSTS)
    annotate = ["python", f"{workdir}/run_pipeline.py", f"--posts={image}/posts.jsonl", f"--output={image}/out"]
    subprocess.run(annotate, cwd=image, env=environment, check=True)


def commands(line: str) -> list[Command]:
    """Split a RUN line into its commands.

    Raises:
        ValueError: a command is not in `ALLOWED`, or the line needs a shell.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        parts: list[list[str]] = [[]]
        for word in lexer:
            if word == "&&":
                parts.append([])
            else:
                parts[-1].append(word)
    except ValueError as error:
        raise ValueError(f"RUN {line} is refused: it cannot be split into words ({error})") from error
    return [_command(part, line) for part in parts]


def _command(words: list[str], line: str) -> Command:
    output = None
    if len(words) > 2 and words[-2] == ">" and re.fullmatch(r"\w[\w.-]*", words[-1]):
        words, output = words[:-2], words[-1]
    if not any(tuple(words[: len(allowed)]) == allowed for allowed in ALLOWED):
        names = ", ".join(" ".join(allowed) for allowed in ALLOWED)
        raise ValueError(f"RUN {line} is refused: {' '.join(words)!r} is not one of the allowed commands ({names})")
    for word in words:
        if set(word) <= set("();<>|&") or re.search(r"[`$]", re.sub(r"\$\{\w+\}", "", word)):
            raise ValueError(f"RUN {line} is refused: {word!r} needs a shell, and only '&&', '> FILE' and '${{NAME}}' are allowed")
    return Command(tuple(words), output)


def run(command: Command, workdir: Path, environment: dict[str, str]) -> None:
    """Run an allowed command without a shell. Changes to the packages of this machine are simulated or skipped.

    Raises:
        CalledProcessError: the command failed.
    """
    if command.words[:2] == UPDATE or command.words[:3] == REMOVE_LISTS:
        return
    words = [re.sub(r"\$\{(\w+)\}", lambda name: environment.get(name[1], ""), word) for word in command.words]
    if command.words[:2] == INSTALL:
        words.insert(1, "--simulate")
    if command.output is None:
        subprocess.run(words, cwd=workdir, env=environment, check=True)
        return
    with (workdir / command.output).open("wb") as output:
        subprocess.run(words, cwd=workdir, env=environment, check=True, stdout=output)


def copy(source: Path, target: Path) -> None:
    """Copy a file, or the content of a folder, into the folder `target`, as COPY does."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def main(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if the Dockerfile is refused."""
    parser = Parser("deploy.docker.rehearse", __doc__)
    parser.add_argument("dockerfile", type=Path, help="the file whose lines are done")
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="as --build-arg of docker build")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="postner-image-") as image:
        try:
            rehearse(options.dockerfile, {name: value for name, _, value in (arg.partition("=") for arg in options.arg)}, Path(image))
        except (ValueError, FileNotFoundError) as error:
            print(f"deploy.docker.rehearse: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
