"""The join of posts and index, through Beam."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from archive.images import Member
from archive.posts.records import Post, Slice
from transforms.locate_images import REJECTS, LocateImages, choose


def tar(path: Path, *keys: str) -> str:
    with tarfile.open(path, "w") as archive:
        for key in keys:
            info = tarfile.TarInfo(key)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"data"))
    return str(path)


def slice_(name: str, *images: tuple[str, ...]) -> Slice:
    posts = tuple(Post(str(i), "", keys, None, "s", i) for i, keys in enumerate(images))
    return Slice(name, "s", 1, len(posts), 0, posts)


RECORDED: dict[str, list[Any]] = {}
"""The local runner works in this process."""


def record(element: Any, name: str) -> None:
    RECORDED[name].append(element)


def located(slices: list[Slice], shards: list[str]) -> tuple[list[Any], list[Any]]:
    """Names and members of the slices, and rejects, that come out of the join."""
    RECORDED.update(slices=[], rejects=[])
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        outputs = pipeline | beam.Create(slices) | LocateImages(shards)
        outputs["slices"] | "KeepSlices" >> beam.Map(record, "slices")
        outputs[REJECTS] | "KeepRejects" >> beam.Map(record, "rejects")
    found = [(s.name, sorted((key, m.shard, m.offset) for key, m in s.members.items())) for s in RECORDED["slices"]]
    return sorted(found), sorted((r.reason, r.source, r.payload) for r in RECORDED["rejects"])


def test_keys_find_their_members_and_others_do_not(tmp_path: Path) -> None:
    a, b = tar(tmp_path / "a.tar", "1.jpg", "2.jpg"), tar(tmp_path / "b.tar", "3.jpg", "unused.jpg")
    slices, rejects = located([slice_("one", ("1.jpg", "3.jpg"), ("absent.jpg",)), slice_("two", ("3.jpg",), ()), slice_("three")], [a, b])
    assert slices == [
        ("one", [("1.jpg", a, 512), ("3.jpg", b, 512)]),
        ("three", []),
        ("two", [("3.jpg", b, 512)]),
    ]
    assert rejects == []


def test_of_duplicate_keys_the_first_shard_wins_and_the_others_are_reported(tmp_path: Path) -> None:
    a, b = tar(tmp_path / "a.tar", "1.jpg", "1.jpg"), tar(tmp_path / "b.tar", "1.jpg")
    for shards in ([a, b], [b, a]):
        slices, rejects = located([slice_("one", ("1.jpg",))], shards)
        assert slices == [("one", [("1.jpg", a, 512)])]
        assert rejects == [("duplicate_key", a, "1.jpg"), ("duplicate_key", b, "1.jpg")]


def test_no_shards_at_all() -> None:
    assert located([slice_("one", ("1.jpg",))], []) == ([("one", [])], [])


@pytest.mark.parametrize("order", [1, -1])
def test_choice_does_not_depend_on_order(order: int) -> None:
    members = [Member("a.tar", 0, 5), Member("a.tar", 512, 5), Member("b.tar", 0, 5)]
    chosen, rejects = choose("k", members[::order])
    assert chosen == members[0]
    assert [reject.source for reject in rejects] == ["a.tar", "b.tar"]
