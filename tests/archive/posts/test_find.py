"""Posts files of paths, globs and folders."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.posts.find import find_posts

POST = b'{"id": 1, "text": "a"}\n'


def write(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def names(folder: Path, found: list[str]) -> list[str]:
    return [str(Path(name).relative_to(folder)) for name in found]


def test_a_folder_is_searched_at_all_depths_and_what_is_left_out_is_named(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.size = len(jpeg())
        archive.addfile(info, io.BytesIO(jpeg()))
    write(tmp_path, b=POST, a__c__d=POST, README=b"These are posts.\n", page=b"<!DOCTYPE html><html>", empty=b"")
    write(tmp_path, a_dot_jpg=b"not read", b_dot_JPG=b"", picture=jpeg(), shard=shard.getvalue(), table=b"id,text\n1,a\n")
    write(tmp_path, _SUCCESS=b"", _dot_git__x=POST, damaged=b"BZh91AY&SY" + bytes(10))
    found = find_posts([str(tmp_path)], "--posts")
    assert names(tmp_path, found.files) == ["a/c/d", "b", "damaged", "table"]
    assert found.passed_over == {
        "hidden: .git": 2,
        "text: README": 1,
        ".jpg: a.jpg": 2,
        "empty: empty": 1,
        "HTML: page": 1,
        "image: picture": 2,
    }


def test_each_file_counts_once_in_the_order_of_the_patterns(tmp_path: Path) -> None:
    write(tmp_path, b=POST, a=POST, c__d=POST)
    (tmp_path / "c" / "loop").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    found = find_posts([str(tmp_path / "b"), str(tmp_path)], "--posts")
    assert names(tmp_path, found.files) == ["b", "a", "c/d"]


def test_a_glob_skips_hidden_names_and_searches_folders(tmp_path: Path) -> None:
    write(tmp_path, _dot_a=POST, b=POST, c__d=POST, c___dot_e=POST)
    assert names(tmp_path, find_posts([f"{tmp_path}/*"], "--posts").files) == ["b", "c/d"]
    assert names(tmp_path, find_posts([f"{tmp_path}/.*"], "--posts").files) == [".a"]


def test_nothing_found_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, f__a_dot_png=b"")
    with pytest.raises(ValueError, match=r"--posts '.*' is a folder without a file of posts: passed over are 1 .png: a.png"):
        find_posts([str(tmp_path)], "--posts")
    with pytest.raises(ValueError, match=r"--posts matched no file: '.*x\*'"):
        find_posts([f"{tmp_path}/x*"], "--posts")
