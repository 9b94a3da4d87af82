"""Which picture a key names, against a slow oracle that reads the rules in another way."""

from __future__ import annotations

import io
import tarfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.images import ImageError, Member
from archive.images.index import Index, lookup, open_index, update_index

Shard = list[tuple[str, bytes]]
"""Names and contents of members, in order."""


def write_tar(path: Path, members: Shard) -> str:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def index_of(folder: Path, *shards: Shard) -> Index:
    addresses = [write_tar(folder / f"s{number}.tar", members) for number, members in enumerate(shards)]
    return open_index(update_index(addresses, str(folder / "index"), "out").file)


def outcome(index: Index, key: str) -> bytes | str:
    """The bytes that a key leads to, or the status."""
    place = index.locate([key], 1000).places[key]
    if isinstance(place, ImageError):
        return place.status
    with open(place.shard, "rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def split(base: str) -> tuple[str, str]:
    return (base[:-4], base[-4:]) if base[-4:].lower() in (".jpg", ".png") else (base, "")


def expected(shards: Sequence[Shard], parts: Sequence[str]) -> bytes | str:
    """The oracle: every level of the contract is tried on every member, one level after the other."""
    found = [(f"s{number}.tar", name, data) for number, members in enumerate(shards) for name, data in dict(members).items()]
    if parts[0] in ("s0.tar", "s1.tar"):
        found = [one for one in found if one[0] == parts[0]]
        parts = parts[1:]
    for same in (str, str.casefold):
        *folders, base = (same(unicodedata.normalize("NFC", part)) for part in parts)
        paths = [([same(part) for part in name.split("/")], data) for _, name, data in found]
        for bases in level_of_bases(base, {path[-1] for path, _ in paths}):
            some = [(path[:-1], data) for path, data in paths if path[-1] in bases]
            levels = [[data for above, data in some if above == folders]]
            for length in range(len(folders), -1, -1):
                end = folders[len(folders) - length :]
                levels.append([data for above, data in some if above[max(len(above) - length, 0) :] == end])
            for level in filter(None, levels):
                return level[0] if len(set(level)) == 1 else "ambiguous"
    return "missing"


def level_of_bases(base: str, bases: set[str]) -> list[set[str]]:
    """The base names that fit equally well, best first."""
    stem, extension = split(base)
    as_written = {one for one in bases if split(one)[0] == base}
    converted = {one for one in bases if extension and split(one)[0] == stem}
    return [{base}, as_written, converted]


BASES = st.builds(str.__add__, st.sampled_from(["a", "A", "b", "é", "É"]), st.sampled_from([".jpg", ".JPG", ".png", ""]))
FOLDERS = st.lists(st.sampled_from(["x", "X", "y"]), max_size=4)
PATHS = st.builds(lambda folders, base: [*folders, base], FOLDERS, BASES)
MEMBERS = st.lists(st.tuples(PATHS.map("/".join), st.sampled_from([b"0", b"1"])), max_size=8)


@st.composite
def keys(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A key as people write it, and the path that it means."""
    parts = draw(PATHS)
    written = "/".join(parts)
    match draw(st.integers(0, 7)):
        case 0:
            return f"./{written}", parts
        case 1:
            return unicodedata.normalize("NFD", written), parts
        case 2:
            return f"{written}:large", parts
        case 3:
            return f"{written}?name=orig", parts
        case 4:
            return f"https://x.y/{written}?name=orig#z", parts[-1:]
        case 5:
            return written.replace("/", "\\"), parts
        case 6:
            shard = draw(st.sampled_from(["s0.tar", "s1.tar"]))
            return f"{shard}/{written}", [shard, *parts]
        case _:
            return written, parts


def weak(term: str) -> bytes:
    """A hash of which most terms have the same."""
    return bytes([len(term) % 2, *bytes(7)])


@pytest.mark.parametrize("collide", [False, True])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MEMBERS, min_size=2, max_size=2), st.lists(keys(), min_size=1, max_size=8))
def test_every_key_leads_where_the_rules_say(
    tmp_path_factory: pytest.TempPathFactory, collide: bool, shards: list[Shard], wanted: list[tuple[str, list[str]]]
) -> None:
    with (
        patch("archive.images.index.build.digest", weak if collide else lookup.digest),
        patch.object(lookup, "digest", weak if collide else lookup.digest),
    ):
        index = index_of(tmp_path_factory.mktemp("shards"), *shards)
        for key, parts in wanted:
            assert outcome(index, key) == expected(shards, parts), key


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../a.jpg", "x/../a.jpg", "a.jpg\0", "\0", "/", "\\", "?", "https://", "https://a.jpg", ":", "%"]
)
def test_keys_that_name_nothing(tmp_path: Path, key: str) -> None:
    assert outcome(index_of(tmp_path, [("a.jpg", b"1")]), key) == "missing"


@given(st.text(max_size=30) | st.text("./\\:?%#&=a", max_size=12))
def test_no_key_breaks_the_look_up(shared_index: Index, key: str) -> None:
    assert len(shared_index.locate([key], 100).places) == 1


@pytest.fixture(scope="module")
def shared_index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return index_of(tmp_path_factory.mktemp("shared"), [("x/a.jpg", b"1"), ("a=.png", b"2")])


def test_a_long_key_costs_nothing(tmp_path: Path) -> None:
    index = index_of(tmp_path, [("a.jpg", b"1")])
    for key in ("a" * 10_000, "a/" * 5000 + "a.jpg", "\u0301\u0327" * 5_000_000):
        assert outcome(index, key) == "missing"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("https://pbs.twimg.com/media/E1a?format=jpg&name=large", "E1a.jpg"),
        ("E1a?format=jpg&name=large", "E1a.jpg"),
        ("E1a?format=jpg&name=large", "E1a.png"),
        ("https://pbs.twimg.com/media/E1a.jpg:orig", "media/E1a.jpg"),
        ("https://x.y/z/images%2Fa%20b.jpg?alt=media", "images/a b.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("a%20b.jpg", "a%20b.jpg"),
        ("E1a?name=orig", "E1a?name=orig"),
        ("https://x.y/E1a?name=orig", "E1a?name=orig"),
        ("E1a.jpeg", "E1a.jpg"),
        ("/data/old/s0.tar/a.jpg", "a.jpg"),
        ("C:\\pictures\\a.jpg", "a.jpg"),
    ],
)
def test_spellings(tmp_path: Path, key: str, name: str) -> None:
    assert outcome(index_of(tmp_path, [(name, b"right"), ("other.jpg", b"wrong")]), key) == b"right"


@pytest.mark.parametrize(
    ("key", "better", "worse"),
    [
        ("a%20b.jpg", "a%20b.jpg", "a b.jpg"),
        ("a.jpg:large", "a.jpg:large", "a.jpg"),
        ("E1a?format=png", "E1a.png", "E1a.jpg"),
        ("v1.5", "v1.5.jpg", "v1.jpg"),
        ("a%20b.jpg", "a b.jpg", "A%20B.JPG"),
    ],
)
def test_the_better_spelling_wins(tmp_path: Path, key: str, better: str, worse: str) -> None:
    assert outcome(index_of(tmp_path, [(worse, b"worse"), (better, b"better")]), key) == b"better"


def test_an_extension_that_is_none_of_pictures_is_not_replaced(tmp_path: Path) -> None:
    index = index_of(tmp_path, [("v1.jpg", b"1"), ("index.jpg", b"2")])
    assert [outcome(index, key) for key in ("v1.5", "https://x.y/index.php?id=1")] == ["missing", "missing"]


def test_a_key_that_names_a_shard_never_gets_the_picture_of_another(tmp_path: Path) -> None:
    index = index_of(tmp_path, [("0.jpg", b"first")], [("pictures/0.jpg", b"second")])
    assert outcome(index, "0.jpg") == b"first"
    assert outcome(index, "s1.tar/0.jpg") == b"second"
    assert outcome(index, "s2.tar/0.jpg") == "missing"
    assert outcome(index, "s1.tar/1.jpg") == "missing"


def test_equal_pictures_are_one_and_the_others_are_told(tmp_path: Path) -> None:
    index = index_of(tmp_path, [("a.jpg", b"same")], [("a.jpg", b"same")], [("b.jpg", b"same size")], [("b.jpg", b"size same")])
    located = index.locate(["a.jpg", "b.jpg", "a.jpg"], 1000)
    assert isinstance(place := located.places["a.jpg"], Member)
    assert place.shard.endswith("s0.tar")
    assert [(key, shard[-6:]) for key, shard in located.duplicates] == [("a.jpg", "s1.tar")]
    assert located.places["b.jpg"] == ImageError("ambiguous", "several_pictures")


def test_a_stem_of_thousands_of_members_is_cheap_and_its_folder_still_decides(tmp_path: Path) -> None:
    index = index_of(tmp_path, [(f"{number}/a.jpg", b"%d" % number) for number in range(3000)] + [("a.jpg", b"root")])
    with patch.object(lookup, "fetch", side_effect=AssertionError("nothing is read")):
        assert index.locate(["a.png", "3001/a.jpg"], 1000).places == dict.fromkeys(["a.png", "3001/a.jpg"], lookup.AMBIGUOUS)
    assert outcome(index, "17/a.jpg") == b"17"
    assert outcome(index, "a.jpg") == b"root"
    assert outcome(index, "s0.tar/2999/a.jpg") == b"2999"
