"""Files and members beside the posts, as an account's export has them, cost nothing and are told."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from archive.posts.fields.choose import FieldOptions, NoPresetError
from archive.posts.first_records import first_records
from archive.posts.slices import read_slices

MAX = 10**6
TWEETS = [{"tweet": {"id_str": str(number), "id": str(number), "full_text": f"Ana in Faro {number}"}} for number in (1, 2)]
EXPORT = {
    "data/account.js": b"window.YTD.account.part0 = " + json.dumps([{"account": {"accountId": "7", "username": "ana"}}] * 100).encode(),
    "data/like.js": b'window.YTD.like.part0 = [ {"like": {"tweetId": "9", "fullText": "Rome"}} ]',
    "data/photo.jpg": b"\xff\xd8\xff\xe0" + bytes(20),
    "data/tweets.js": b"window.YTD.tweets.part0 = " + json.dumps(TWEETS).encode(),
    "zz/cut.jsonl": b'{"tweet": \n',
}


def packed(path: Path, members: dict[str, bytes]) -> str:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return str(path)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


@pytest.mark.parametrize("name", ["export.zip", "export.tar.gz"])
def test_members_without_posts_are_skipped(tmp_path: Path, name: str) -> None:
    address = packed(tmp_path / name, EXPORT)
    fields, entries = first_records(address, MAX, FieldOptions())
    assert (fields.preset, len(entries)) == ("x-export", 2)
    slices = list(read_slices(address, MAX, fields))
    assert [post.id for slice_ in slices for post in slice_.posts] == ["1", "2"]
    assert [(reject.reason, reject.source) for slice_ in slices for reject in slice_.rejects if reject.stage == "post"] == [
        ("not_json", f"{address}/zz/cut.jsonl")
    ]
    skipped = [sum(slice_.skipped.get(kind, 0) for slice_ in slices) for kind in ("other member", "image")]
    assert skipped == [101, 1]
    assert sum(slice_.lines for slice_ in slices) == 2 + 1 + 101 + 1


def test_an_archive_without_posts_says_what_it_holds(tmp_path: Path) -> None:
    address = packed(tmp_path / "a.zip", {name: EXPORT[name] for name in ("data/account.js", "data/photo.jpg")})
    with pytest.raises(NoPresetError, match=r"fields seen: account\.accountId, account\.username"):
        first_records(address, MAX, FieldOptions())
    address = packed(tmp_path / "b.zip", {"data/photo.jpg": EXPORT["data/photo.jpg"]})
    with pytest.raises(NoPresetError, match=r"no member holds records, but image \(data/photo\.jpg\)"):
        first_records(address, MAX, FieldOptions())


@pytest.mark.parametrize("name", ["posts", "data", "tweets", "results"])
def test_posts_in_an_array_of_any_page(tmp_path: Path, name: str) -> None:
    (tmp_path / "page.json").write_text(json.dumps({name: [{"id": 1, "text": "Rome"}, {"id": 2, "text": "Oslo"}], "next": None}))
    address = str(tmp_path / "page.json")
    slices = list(read_slices(address, MAX, first_records(address, MAX, FieldOptions()).fields))
    assert [post.id for slice_ in slices for post in slice_.posts] == ["1", "2"]


def test_an_array_in_a_post_stays_in_the_post(tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text(json.dumps({"id": 1, "text": "Rome", "posts": [{"id": 2, "text": "Oslo"}]}))
    address = str(tmp_path / "posts.jsonl")
    slices = list(read_slices(address, MAX, first_records(address, MAX, FieldOptions()).fields))
    assert [post.text for slice_ in slices for post in slice_.posts] == ["Rome"]


def test_a_table_without_a_header(tmp_path: Path) -> None:
    row = '"0","14678{}","Mon Apr 06","NO_QUERY","ana","@ole - the train to Rome, Italy is late again today {}"\n'
    (tmp_path / "train.csv").write_text("".join(row.format(number, number) for number in range(5)))
    address = str(tmp_path / "train.csv")
    with pytest.raises(NoPresetError, match="column5, column6; add --id line --text column6"):
        first_records(address, MAX, FieldOptions())
    fields = first_records(address, MAX, FieldOptions(id="column2", text="column6")).fields
    posts = [post for slice_ in read_slices(address, MAX, fields) for post in slice_.posts]
    assert [post.id for post in posts] == [f"14678{number}" for number in range(5)]


@pytest.mark.parametrize(
    "cell", ['["a.jpg", "b b.jpg"]', "['a.jpg', 'b b.jpg']", "[a.jpg, b b.jpg]", "https://x.example/a.jpg,https://x.example/b.jpg"]
)
def test_lists_in_cells(tmp_path: Path, cell: str) -> None:
    quoted = cell.replace('"', '""')
    (tmp_path / "posts.csv").write_text(f'id,text,images\n1,Rome,"{quoted}"\n')
    address = str(tmp_path / "posts.csv")
    ((post,),) = [slice_.posts for slice_ in read_slices(address, MAX, first_records(address, MAX, FieldOptions()).fields)]
    assert len(post.images) == 2
    assert post.images[0].endswith("a.jpg")
