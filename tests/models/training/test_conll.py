"""Labelled tweets as they come in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.labels import TYPES
from models.training.conll import read_conll


def test_orphans_are_repaired_and_counted_and_other_is_misc(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("IMGID:7\na\tI-PER\nb\tI-PER\nc\tI-OTHER\nd\tO\n\nIMGID:8\ne\tB-LOC\n")
    posts, repaired = read_conll(path, TYPES)
    assert [post.image for post in posts] == ["7", "8"]
    assert posts[0].spans == ((0, 1, TYPES.index("PER")), (2, 2, TYPES.index("MISC")))
    assert repaired == {"orphan_inside": 2}


@pytest.mark.parametrize(("line", "words"), [("token", "token<TAB>tag"), ("token\tB-DOG", "B-DOG"), ("token\tX", "'X'")])
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.txt").write_text(f"good\tO\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.txt:2: .*" + words):
        read_conll(tmp_path / "a.txt", TYPES)


@pytest.mark.parametrize(("data", "words"), [(b"\n \nIMGID:1\n", "holds no tweets"), (b"caf\xe9\tO\n", "is not UTF-8: byte 3 is 0xe9")])
def test_what_is_no_labelled_text_is_told(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.txt " + words):
        read_conll(tmp_path / "a.txt", TYPES)
