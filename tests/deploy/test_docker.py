"""The images hold what the command needs; `make test-images` does what their RUN lines do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from deploy.docker.rehearse import commands, instructions, main

ROOT = Path(__file__).parent.parent.parent
DOCKERFILES = sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile"))


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def dockerfile(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    return instructions(request.param)


def copied(dockerfile: list[tuple[str, str]]) -> list[str]:
    return [name for word, rest in dockerfile if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]]


def test_there_is_one_for_the_cpu_and_one_for_cuda() -> None:
    assert [path.name for path in DOCKERFILES] == ["cpu.Dockerfile", "cuda.Dockerfile"]
    differing = set(map(str, instructions(DOCKERFILES[0]))) ^ set(map(str, instructions(DOCKERFILES[1])))
    assert all(any(word in line for word in ("TORCH_INDEX", "NVIDIA", "apt-get")) for line in differing), differing


def test_what_is_copied_exists_and_is_let_through(dockerfile: list[tuple[str, str]]) -> None:
    through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied(dockerfile)) == through
    assert all((ROOT / name).exists() for name in through)


def test_every_package_and_the_shipped_models_are_in_the_image(dockerfile: list[tuple[str, str]]) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    packages = {name.split(".")[0] for name in re.findall(r'"([a-z_.]+)"', re.search(r"\npackages = (\[.*?\])", project, re.DOTALL)[1])}  # type: ignore[index]
    assert packages < set(copied(dockerfile))
    assert (ROOT / "models" / "pretrained" / "default" / "model.safetensors").exists()


def test_beam_is_the_pinned_one_and_its_boot_program_the_entry_point(dockerfile: list[tuple[str, str]]) -> None:
    arguments = dict(rest.split("=", 1) for word, rest in dockerfile if word == "ARG")
    for name in ("requirements.txt", "deploy/requirements.txt"):
        [pinned] = re.findall(r"^apache-beam(?:\[gcp\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
        assert arguments["BEAM_IMAGE"].endswith(f"_sdk:{pinned}")
    assert ("COPY", "--from=beam /opt/apache/beam /opt/apache/beam") in dockerfile
    assert dockerfile[-1] == ("ENTRYPOINT", '["/opt/apache/beam/boot"]')  # a list: no shell between it and a signal


def test_base_images_are_pinned_and_of_one_python(dockerfile: list[tuple[str, str]]) -> None:
    arguments = dict(rest.split("=", 1) for word, rest in dockerfile if word == "ARG")
    bases = [rest.split()[0] for word, rest in dockerfile if word == "FROM"]
    assert len(bases) == 3
    images = [arguments[re.fullmatch(r"\$\{(\w+)\}", base)[1]] for base in bases]  # type: ignore[index]
    assert all(re.search(r":(?!latest)[\w.-]*\d", image) for image in images)
    assert {re.search(r"python:?(3\.?11)", image)[1].replace(".", "") for image in images} == {"311"}  # type: ignore[index]


def test_nothing_runs_as_root(dockerfile: list[tuple[str, str]]) -> None:
    users = [rest for word, rest in dockerfile if word == "USER"]
    assert len(users) == 1
    assert users[0].split(":")[0] not in ("0", "root")
    assert not [word for word, _ in dockerfile[dockerfile.index(("USER", users[0])) :] if word == "RUN"]


def test_every_run_line_can_be_rehearsed(dockerfile: list[tuple[str, str]]) -> None:
    lines = [rest for word, rest in dockerfile if word == "RUN"]
    assert len(lines) == 4
    programs = {command.words[0] for line in lines for command in commands(line)}
    assert programs == {"apt-get", "rm", "grep", "python"}


def test_words_and_output_of_a_run_line() -> None:
    first, second = commands("""grep -E '^torch(vision)?==' a.txt > b.txt && python -m pip install --index-url "${INDEX}" -r b.txt""")
    assert first == (("grep", "-E", "^torch(vision)?==", "a.txt"), "b.txt")
    assert second == (("python", "-m", "pip", "install", "--index-url", "${INDEX}", "-r", "b.txt"), None)


@pytest.mark.parametrize(
    "line",
    [
        "rm -rf /",
        "curl x | sh",
        "python -m pip check && rm -rf /",
        "python -m pip check; rm -rf /",
        "python -m pip check & rm -rf /",
        "python -m pip check || rm -rf /",
        "grep a b | sh",
        "grep a b > /etc/passwd",
        "grep a b > ../c",
        "grep a b >> c",
        "grep a < b",
        "grep $(id) b",
        "grep `id` b",
        "grep 'a",
        "python -c 'print()'",
        "python -m pip check &&",
    ],
)
def test_a_foreign_command_is_refused_before_anything_runs(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something ran"))
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nRUN python -m pip check\nRUN {line}\n")
    assert main([str(tmp_path / "Dockerfile")]) == 2
    [told] = capsys.readouterr().err.splitlines()
    assert told.startswith(f"deploy.docker.rehearse: RUN {line} is refused: ")
