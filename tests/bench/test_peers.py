"""Rows of other programs are compared with ours before a time is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.command_run import CommandRun
from bench.inputs import Inputs
from bench.peers import race as racing
from bench.peers.__main__ import main, of_posts, of_texts, table
from bench.peers.peer import Peer, PeerError
from bench.peers.race import Race
from bench.peers.rows import Found, Row, differences, entity_f1, object_map50, read_json, read_output
from bench.peers.task import Task
from bench.process_tree import Measured

CAT = Found("cat", (10.0, 10.0, 60.0, 60.0), 0.9)
PARIS = Found("LOC", (3, 8), 0.8)
ROW = Row("1", (PARIS,), ((CAT,),))
OURS = {"1": ROW, "2": Row("2", (), ((),))}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(ROW, entities=(PARIS._replace(name="PER"),)), "post 1 has other entities: PER 3-8, ours LOC 3-8"),
        (replace(ROW, entities=(PARIS._replace(place=(3, 9)),)), "post 1 has other entities: LOC 3-9, ours LOC 3-8"),
        (replace(ROW, entities=(PARIS._replace(score=0.7),)), "post 1 has other entities: LOC 3-8, ours LOC 3-8"),
        (replace(ROW, entities=()), "post 1 has other entities: none, ours LOC 3-8"),
        (replace(ROW, entities=(PARIS, PARIS)), "post 1 has other entities: LOC 3-8, LOC 3-8, ours LOC 3-8"),
        (replace(ROW, pictures=((CAT._replace(name="dog"),),)), "post 1 has other objects"),
        (replace(ROW, pictures=((CAT._replace(place=(10.0, 10.0, 60.0, 62.0)),),)), "post 1 has other objects"),
        (replace(ROW, pictures=((),)), "post 1 has other objects"),
        (replace(ROW, pictures=()), "post 1 has other objects"),
    ],
)
def test_a_row_that_differs_is_told(other: Row, said: str) -> None:
    assert differences(OURS, OURS | {"1": other}) == [said]
    assert differences(OURS | {"1": other}, OURS), "and the other way round"


def test_rounding_and_order_make_no_difference() -> None:
    dog = Found("dog", (0.0, 0.0, 5.0, 5.0), 0.9)
    ours = {"1": replace(ROW, pictures=((CAT, dog),))}
    theirs = {"1": replace(ROW, pictures=((dog, CAT._replace(place=(10.2, 10.0, 60.0, 59.8), score=0.901)),))}
    assert differences(ours, theirs) == []


def test_a_row_too_few_or_too_many_is_told() -> None:
    assert differences(OURS, {"1": ROW, "3": replace(ROW, id="3")}) == ["post 2 has no row", "post 3 is none of the input"]


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("".join(row.to_json() + "\n" for row in OURS.values()))
    assert read_json(path) == OURS
    path.write_text(ROW.to_json() + "\n" + ROW.to_json())
    with pytest.raises(ValueError, match="post 1 has two rows"):
        read_json(path)


def test_our_rows_are_read_from_parquet(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    row = {
        "post_id": "1",
        "entities": [{"type": "LOC", "start": 3, "end": 8, "score": 0.8}],
        "images": [{"objects": [{"label": "cat", "score": 0.9, "box": [10.0, 10.0, 60.0, 60.0]}]}],
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "annotations" / "a.parquet")
    assert read_output(tmp_path) == {"1": ROW}


def test_agreement_of_other_networks() -> None:
    assert entity_f1(OURS, OURS) == 1
    assert entity_f1(OURS, {"1": replace(ROW, entities=(PARIS, PARIS._replace(place=(0, 2)))), "2": OURS["2"]}) == pytest.approx(2 / 3)
    assert object_map50(OURS, OURS) == 1
    assert object_map50(OURS, OURS | {"1": replace(ROW, pictures=((CAT._replace(place=(60.0, 60.0, 90.0, 90.0)),),))}) == 0


HAND = Peer("by hand", "by_hand", (), ((1, 2, 1),))
EXACT = Peer("Ray Data", "ray_data", (), ((2, 1, 16), (1, 2, 16)), "float32")


@pytest.fixture
def race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Race, dict[str, Row], list[Task]]:
    """A race whose programs do not run: the command has the rows OURS, each peer those of the returned dictionary."""
    theirs, tasks = dict(OURS), []

    def run(task: Task, module: str) -> tuple[float, Measured]:
        tasks.append(task)
        Path(task.rows).write_text("".join(row.to_json() + "\n" for row in theirs.values()))
        return 10.0 * task.threads, Measured(12.0 * task.threads, 0.0, 2**30, "")

    posts = tmp_path / "unpacked.jsonl"
    posts.write_text("".join(json.dumps({"id": name, "text": "in Paris", "files": []}) + "\n" for name in OURS))
    monkeypatch.setattr(Task, "run", run)
    monkeypatch.setattr(Race, "_annotated", lambda *_: (OURS, CommandRun(5.0, 6.0, 7.0, 2**31, {})))
    monkeypatch.setattr(racing, "write_token_classifier", lambda *_: None)
    return Race(Inputs(dict.fromkeys(OURS, "in Paris"), 2, posts, (), posts), 2, tmp_path, print), theirs, tasks


def test_the_fastest_setting_is_timed(race: tuple[Race, dict[str, Row], list[Task]]) -> None:
    running, _, tasks = race
    running.run([EXACT], 3)
    (entry,) = running.entries
    assert (entry.setting, entry.compared, entry.work_s, running.problems) == ((2, 1, 16), "equal in all 2", [10.0] * 3, [])
    assert [(task.workers, task.threads) for task in tasks] == [(2, 1), (1, 2), (2, 1), (2, 1), (2, 1)]
    shown = table("Posts", running._inputs, 2, running.command, running.entries)
    assert "| 0.2 (0.2 to 0.2) | 2.00 (2.00 to 2.00) | equal in all 2 | 2.0 (2.0 to 2.0) | 1.0 |" in shown[-1]


def test_no_time_is_told_of_other_rows(race: tuple[Race, dict[str, Row], list[Task]]) -> None:
    running, theirs, _ = race
    theirs["1"] = replace(ROW, entities=())
    running.run([EXACT, HAND], 2)
    assert [entry.peer.name for entry in running.entries] == ["by hand"], "its tagger is another one"
    assert running.problems == [
        "Ray Data: 1 of 2 rows differ from ours; the first: post 1 has other entities: none, ours LOC 3-8",
    ]
    assert not any("Ray Data" in line for line in table("Posts", running._inputs, 2, running.command, running.entries))


def test_another_job_has_no_time(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(replace(ROW, pictures=((),)).to_json() + "\n" + OURS["2"].to_json())
    with pytest.raises(PeerError, match="agree with ours to mAP50"):
        HAND.compared(OURS, path)
    path.write_text(ROW.to_json())
    with pytest.raises(PeerError, match="1 rows, ours 2"):
        HAND.compared(OURS, path)


def test_a_peer_that_is_not_installed_says_how(race: tuple[Race, dict[str, Row], list[Task]]) -> None:
    running, _, _ = race
    running.run([replace(EXACT, packages=("no_such_package",)), HAND], 1)
    assert running.problems == ["Ray Data is not installed: run 'make peers', or pip install -r bench/peers/requirements.txt"]
    assert len(running.entries) == 1


@pytest.mark.parametrize("threads", [1, 2, 6, 16])
def test_threads_never_exceed_the_cores(threads: int) -> None:
    for peer in [*of_posts(threads, ["float32"]), *of_texts(threads)]:
        assert all(workers * each == threads for workers, each, _ in peer.settings), peer.name


def test_a_task_is_read_as_it_was_given() -> None:
    task = Task("posts", "rows", 2, 1, 16, "float32", True, "folder")
    assert Task.parse([json.dumps(task.__dict__)]) == task


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "spark"], "invalid choice: 'spark'"),
        (["--precision", "half"], "invalid choice: 'half'"),
        (["--posts", "-1"], "'-1' is no number of posts"),
        (["--rounds", "0"], "invalid choice: 0"),
        (["--archive", "/none/such"], "there is no '/none/such'"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err


def test_each_precision_is_a_peer_of_its_own() -> None:
    assert [peer.name for peer in of_posts(2, ["float32", "auto"])] == [
        "Ray Data, float32",
        "Daft, float32",
        "Ray Data, auto",
        "Daft, auto",
        "by hand",
    ]
    setting = (2, 1, 16)
    assert replace(EXACT, precision="bfloat16").task(Task("", ""), setting).precision == "bfloat16"


def test_an_archive_without_posts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--archive", str(tmp_path), "--posts", "0"]) == 2
    assert f"no such posts in {tmp_path}" in capsys.readouterr().err
