"""The `docker` lines of docs/deploy.md agree with the Dockerfiles and with the options of the command."""

from __future__ import annotations

import shlex
from itertools import pairwise

import pytest

from deploy.docker.rehearse import instructions
from pipeline.options import parse
from tests.conftest import ROOT
from tests.docs.blocks import commands

LINES = [shlex.split(line) for block in commands() for line in block.lines() if line.startswith("docker ")]
FLAGS = {"--rm", "--read-only"}


def parts(line: list[str]) -> tuple[dict[str, str], str, list[str]]:
    """Options of `docker run`, the image, and what the entry point gets."""
    options, rest = {}, line[2:]
    while rest[0].startswith("--"):
        name = rest.pop(0)
        options[name] = "" if name in FLAGS else rest.pop(0)
    return options, rest[0], rest[1:]


@pytest.mark.parametrize("line", [line for line in LINES if line[1] == "run"], ids=" ".join)
def test_a_docker_run_starts_what_is_in_the_image(line: list[str]) -> None:
    options, image, arguments = parts(line)
    kind = image.removeprefix("REGISTRY/postner:")
    dockerfile = instructions(ROOT / "deploy" / "docker" / f"{kind}.Dockerfile")
    copied = {name for word, rest in dockerfile if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    if "--entrypoint" not in options:
        assert arguments == ["--worker_pool"]  # for Beam's boot program
        return
    assert options["--entrypoint"] == "python"
    if arguments[0] == "-m":
        assert arguments[1].split(".")[0] in copied
        return
    assert arguments[0] in copied
    run_options, _ = parse(arguments[1:])
    volumes = shlex.split(" ".join(value for name, value in pairwise(line) if name == "--volume"))
    mounted = {volume.split(":")[1]: volume.endswith(":ro") for volume in volumes}
    assert mounted == {"/archive": True, "/out": False}
    assert run_options.output.startswith("/out/")
    assert all(path.startswith("/archive/") for path in run_options.posts + run_options.images)
    assert (options["--tmpfs"], options["--env"]) == ("/tmp", "HOME=/tmp")  # with --read-only


def test_there_are_such_lines() -> None:
    assert len([line for line in LINES if line[1] == "run"]) >= 4


@pytest.mark.parametrize("line", [line for line in LINES if line[1] == "build"], ids=" ".join)
def test_a_docker_build_names_a_dockerfile(line: list[str]) -> None:
    assert (ROOT / line[line.index("-f") + 1]).exists()
    assert line[line.index("-f") + 1].split("/")[-1].split(".")[0] == line[line.index("-t") + 1].rpartition(":")[2]
