"""Keys of slices are looked up in the index, alone and through Beam."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from archive.images import ImageError, Member
from archive.images.index import IndexFile, update_index
from archive.posts.records import Post, Slice
from transforms.counters import LIVE
from transforms.index_shards import IndexShards, write_problems
from transforms.locate_images import LocatedSlice, LocateImages, locate_slice


def tar(path: Path, *keys: str, data: bytes = b"data") -> str:
    with tarfile.open(path, "w") as archive:
        for key in keys:
            info = tarfile.TarInfo(key)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def slice_(name: str, *images: tuple[str, ...]) -> Slice:
    posts = tuple(Post(str(i), "", keys, None, "s", i) for i, keys in enumerate(images))
    return Slice(name, "s", 1, len(posts), 0, posts)


def indexed(folder: Path, *shards: str) -> IndexFile:
    return update_index(shards, f"{folder}/index", str(folder)).file


RECORDED: list[LocatedSlice] = []
"""The local runner works in this process."""


def record(located: LocatedSlice) -> None:
    RECORDED.append(located)


def on_one_machine(pipeline: beam.Pipeline, folder: Path, shards: list[str]) -> IndexFile | beam.PCollection:
    return indexed(folder, *shards)


def on_an_engine(pipeline: beam.Pipeline, folder: Path, shards: list[str]) -> IndexFile | beam.PCollection:
    return pipeline | IndexShards(shards, f"{folder}/index", f"{folder}/out")


@pytest.mark.parametrize("index", [on_one_machine, on_an_engine])
def test_keys_find_their_members_and_others_do_not(tmp_path: Path, index: Callable[..., IndexFile | beam.PCollection]) -> None:
    a, b = tar(tmp_path / "a.tar", "1.jpg", "2.jpg"), tar(tmp_path / "b.tar", "x/3.jpg", "unused.jpg")
    slices = [slice_("one", ("1.jpg", "3.jpg"), ("absent.jpg",)), slice_("two", ("3.jpg",), ()), slice_("three")]
    RECORDED.clear()
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        where = index(pipeline, tmp_path, [a, b])
        pipeline | beam.Create(slices) | LocateImages(where, 1000) | "Keep" >> beam.Map(record)
    one, three, two = sorted(RECORDED, key=lambda located: located.slice.name)
    missing = ImageError("missing", "no_such_key")
    assert one.places == {"1.jpg": Member(a, 512, 4), "3.jpg": Member(b, 512, 4), "absent.jpg": missing}
    assert two.places == {"3.jpg": Member(b, 512, 4)}
    assert three.places == {}
    assert not any(located.rejects for located in RECORDED)


@pytest.mark.parametrize("index", [on_one_machine, on_an_engine])
def test_no_shards_at_all(tmp_path: Path, index: Callable[..., IndexFile | beam.PCollection]) -> None:
    RECORDED.clear()
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        where = index(pipeline, tmp_path, [])
        pipeline | beam.Create([slice_("one", ("1.jpg",))]) | LocateImages(where, 1000) | "Keep" >> beam.Map(record)
    assert [located.places for located in RECORDED] == [{"1.jpg": ImageError("missing", "no_such_key")}]


def test_duplicates_are_told_for_keys_that_posts_name(tmp_path: Path) -> None:
    shards = [tar(tmp_path / f"{name}.tar", "1.jpg", "2.jpg") for name in "ab"]
    located = locate_slice(slice_("one", ("1.jpg", "1.jpg"), ("1.jpg",)), indexed(tmp_path, *shards), 1000)
    assert located.places == {"1.jpg": Member(shards[0], 512, 4)}
    assert [(reject.stage, reject.reason, reject.source, reject.payload) for reject in located.rejects] == [
        ("shard", "duplicate_key", shards[1], "1.jpg")
    ]


def test_pictures_that_differ_are_ambiguous(tmp_path: Path) -> None:
    index = indexed(tmp_path, tar(tmp_path / "a.tar", "1.jpg"), tar(tmp_path / "b.tar", "1.jpg", data=b"tada"))
    located = locate_slice(slice_("one", ("1.jpg", "b.tar/1.jpg")), index, 1000)
    assert located.places == {"1.jpg": ImageError("ambiguous", "several_pictures"), "b.tar/1.jpg": Member(str(tmp_path / "b.tar"), 512, 4)}
    assert located.rejects == ()


def test_keys_are_counted(tmp_path: Path) -> None:
    index = indexed(tmp_path, tar(tmp_path / "a.tar", "1.jpg"))
    before = LIVE.snapshot()
    locate_slice(slice_("one", ("1.jpg", "2.jpg"), ("1.jpg", "3.jpg")), index, 1000)
    counted = LIVE.snapshot()
    assert (counted["keys.named"] - before["keys.named"], counted["keys.found"] - before["keys.found"]) == (3, 1)


def test_problems_of_shards_are_written_also_when_the_index_is_kept_and_go_when_they_are_solved(tmp_path: Path) -> None:
    good, bad, other = tar(tmp_path / "a.tar", "1.jpg"), tmp_path / "b.tar", tmp_path / "c.tar"
    for path in (bad, other):
        path.write_bytes(b"no tar at all" * 100)
    for run in "12":
        write_problems(indexed(tmp_path, good, str(bad)), f"{tmp_path}/{run}")
        [file] = (tmp_path / run / "rejects").iterdir()
        [row] = pq.read_table(file).to_pylist()
        assert (row["stage"], row["reason"], row["source"]) == ("shard", "damaged", str(bad))
    written = file.stat().st_mtime_ns
    write_problems(indexed(tmp_path, good, str(bad)), f"{tmp_path}/2")
    assert file.stat().st_mtime_ns == written
    write_problems(indexed(tmp_path, str(other)), f"{tmp_path}/2")
    assert len(list(file.parent.iterdir())) == 2  # that a shard is not given this time solves nothing
    tar(bad, "2.jpg")
    write_problems(indexed(tmp_path, good, str(bad)), f"{tmp_path}/2")
    [left] = file.parent.iterdir()
    assert pq.read_table(left)["source"].to_pylist() == [str(other)]
