"""What programs are measured with: posts of an archive, process trees, and the command beside its models alone."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from archive.images.decode import Limits, decode
from bench import main_job
from bench.command_run import CommandRun
from bench.inputs import posts_with_pictures, posts_without_pictures
from bench.process_tree import Measured, ProgramError, measure
from bench.sample import first_posts
from tests.conftest import DEMO


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_posts_come_from_plain_and_packed_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "posts-1.jsonl").write_text('{"id": "b", "text": "B"}\nno post\n{"id": "c"}\n[]\n')
    (tmp_path / "posts-0.jsonl.gz").write_bytes(gzip.compress(b'{"id": "a", "text": "A"}\n'))
    (tmp_path / "posts-2.jsonl").write_text('{"id": "d", "text": "D"}\n')
    assert [post["id"] for post in first_posts(tmp_path)] == ["a", "b", "d"]
    assert [post["id"] for post in first_posts(tmp_path, 2)] == ["a", "b"]


def test_only_posts_whose_pictures_can_all_be_read_are_taken(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "unpacked"
    archive.mkdir()
    folder.mkdir()
    with tarfile.open(archive / "images-0.tar", "w") as shard:
        for name, data in {"a.jpg": jpeg(1), "b.jpg": jpeg(2), "bad.jpg": b"no picture"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, BytesIO(data))
    keys = [["a.jpg"], ["bad.jpg"], ["a.jpg", "bad.jpg"], ["missing.jpg"], [], None, ["b.jpg", "a.jpg"], ["b.jpg"]]
    (archive / "posts-0.jsonl").write_text("".join(json.dumps({"id": n, "text": f"t{n}", "images": k}) + "\n" for n, k in enumerate(keys)))
    inputs = posts_with_pictures(archive, 2, folder)
    assert (inputs.texts, inputs.pictures) == ({"0": "t0", "1": "t6"}, 3)
    assert [post["images"] for post in lines(inputs.posts)] == [["a.jpg"], ["b.jpg", "a.jpg"]]
    unpacked = [[Path(path).read_bytes() for path in post["files"]] for post in lines(inputs.unpacked)]
    assert unpacked == [[jpeg(1)], [jpeg(2), jpeg(1)]]


def test_the_demo_has_posts_to_measure_with(tmp_path: Path) -> None:
    inputs = posts_with_pictures(DEMO, 300, tmp_path)
    assert len(inputs.texts) > 10
    for post in lines(inputs.unpacked):
        assert all(decode(Path(path).read_bytes(), Limits(), 640).width for path in post["files"])


def test_a_text_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "posts-0.jsonl").write_text("".join(json.dumps({"id": n, "text": "ab"[n % 2], "images": ["x"]}) + "\n" for n in range(6)))
    inputs = posts_without_pictures(tmp_path, 5, tmp_path)
    assert inputs.texts == {"0": "a", "1": "b"}
    assert "--detector=none" in inputs.for_command


def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    child = "data = bytearray(200_000_000); import time; time.sleep(1.5)"
    there = tmp_path / "there"
    program = f"import subprocess, sys; open({str(there)!r}, 'w'); subprocess.run([sys.executable, '-c', {child!r}]); print(7)"
    measured = measure(["-c", program], event=there.exists)
    assert measured.peak_bytes > 200_000_000
    assert measured.event_s < measured.seconds - 1
    assert measured.output == "7\n"


def test_a_program_that_fails_is_told() -> None:
    with pytest.raises(ProgramError, match=r"-c .* ended with status 1: ValueError: too bad"):
        measure(["-c", "raise ValueError('too bad')"])


def test_the_command_is_compared_with_a_loop_and_its_models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def measured(arguments: list[str]) -> Measured:
        asked.append(arguments)
        return Measured(9.0, 9.0, 0, "8.0\n")

    monkeypatch.setattr(main_job, "measure", measured)
    monkeypatch.setattr(main_job, "run_command", lambda *_: CommandRun(10.0, 5.0, 6.0, 2**30, {"detect": 7.0}))
    assert main_job.main(["--posts=12", "--texts=20", "--rounds=2", "--threads=1"]) == 0
    said = capsys.readouterr().out
    assert "12 posts, 14 pictures" in said
    assert "20 posts, 0 pictures" in said
    assert said.count("speed of the command: 0.80 (0.80 to 0.80) of the tight loop, 0.80 (0.80 to 0.80) of the models alone") == 2
    assert said.count("memory    1.00 (1.00 to 1.00) GB") == 2
    alone = ["--alone=models", "--alone=loop"]
    assert [arguments[-2:] for arguments in asked] == [[other, one] for other in ["--texts=0"] * 2 + ["--posts=0"] * 2 for one in alone]
