"""Labelled tweets as they come in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.datasets.conll import main, read_all, read_conll
from models.tagging.labels import TYPES


def test_orphans_are_repaired_and_counted_and_other_is_misc(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("IMGID:7\na\tI-PER\nb\tI-PER\nc\tI-OTHER\nd\tO\n\nIMGID:8\ne\tB-LOC\n")
    posts, repaired = read_conll(path, TYPES)
    assert [post.image for post in posts] == ["7", "8"]
    assert posts[0].spans == ((0, 1, TYPES.index("PER")), (2, 2, TYPES.index("MISC")))
    assert repaired == {"orphan_inside": 2}


def test_types_of_wnut17_are_read_as_ours(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\tB-person\nb\tB-creative-work\nc\tI-creative-work\nd\tB-group\n")
    posts, _ = read_conll(tmp_path / "a.txt", TYPES)
    assert posts[0].spans == ((0, 0, TYPES.index("PER")), (1, 2, TYPES.index("MISC")), (3, 3, TYPES.index("ORG")))


@pytest.mark.parametrize(
    ("line", "words"), [("token", "token<TAB>tag"), ("token\tB-DOG", "type 'DOG' is none of PER, LOC, ORG, MISC"), ("token\tX", "'X'")]
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.txt").write_text(f"good\tO\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.txt:2: .*" + words):
        read_conll(tmp_path / "a.txt", TYPES)


@pytest.mark.parametrize(("data", "words"), [(b"\n \nIMGID:1\n", "holds no tweets"), (b"caf\xe9\tO\n", "is not UTF-8: byte 3 is 0xe9")])
def test_what_is_no_labelled_text_is_told(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.txt " + words):
        read_conll(tmp_path / "a.txt", TYPES)


def test_tweets_of_two_files_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / place / "set" / "valid.txt" for place in ("a", "b")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text("x\tO\n\ny\tO\n")
    monkeypatch.chdir(paths[0].parent)
    assert list(read_all([Path("valid.txt")], TYPES, {})) == ["set/valid:000000", "set/valid:000001"]
    with pytest.raises(ValueError, match=r"b/set/valid\.txt is the second file called set/valid\.txt"):
        read_all(paths, TYPES, {})
    assert main([str(path) for path in paths]) == 2
    assert "the second file" in capsys.readouterr().err
