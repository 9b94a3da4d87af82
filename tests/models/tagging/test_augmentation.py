"""The table of augmentation vectors, against a slow and plain computation; files of word vectors in every form."""

from __future__ import annotations

import gzip
import json
import math
import struct
from pathlib import Path

import pytest
import torch
from gensim.models import KeyedVectors

from models.augment import coverage, main
from models.datasets.conll import read_conll
from models.datasets.labelled_post import text_of
from models.datasets.word_vectors import read_vectors
from models.tagging.augmentation import NEIGHBOURS, AugmentationTable, build_table, load_table, save_table
from models.tagging.labels import TYPES
from models.tagging.words import split_words

WORDS = ["the", "Paris", "paris", "#nba", "nba", "naïve", "rome", "oslo", "lima", "😀"]


@pytest.fixture(scope="module")
def vectors() -> torch.Tensor:
    return torch.randn(len(WORDS), 6, generator=torch.Generator().manual_seed(0))


def test_each_entry_is_the_weighted_sum_of_its_nearest_words(vectors: torch.Tensor) -> None:
    table = build_table(WORDS, vectors, batch=3)
    rows = vectors.double().tolist()
    for i, row in enumerate(rows):
        cosines = []
        for j, other in enumerate(rows):
            if i != j:
                dot = sum(a * b for a, b in zip(row, other, strict=True))
                cosines.append((dot / math.hypot(*row) / math.hypot(*other), j))
        best = sorted(cosines, reverse=True)[:NEIGHBOURS]
        total = sum(math.exp(similarity) for similarity, _ in best)
        wanted = [sum(math.exp(s) / total * rows[j][k] for s, j in best) for k in range(6)]
        assert table.vectors[i + 1].tolist() == pytest.approx(wanted, abs=1e-5)
    assert not table.vectors[0].any()


def test_words_are_looked_up_as_written_then_lower_then_bare() -> None:
    table = AugmentationTable(["Paris", "paris", "nba", "#tag"], torch.zeros(5, 2))
    assert [table.row(word) for word in ("Paris", "PARIS", "#NBA", "@nba", "#tag", "unseen", "#")] == [1, 2, 3, 3, 4, 0, 0]

    assert AugmentationTable(["", "#"], torch.zeros(3, 2)).row("#") == 2


def test_cases_of_a_word_stand_for_each_other() -> None:
    table = AugmentationTable(["NBA", "Nba", "Rome", "rome", "naïve"], torch.zeros(6, 2))
    assert [table.row(word) for word in ("NBA", "Nba", "nba", "#nba", "nBa", "ROME", "Rome", "rome", "NAÏVE")] == [
        1,
        2,
        1,
        1,
        1,
        4,
        3,
        4,
        5,
    ]


@pytest.mark.parametrize("form", ["word2vec.bin", "word2vec.txt", "fasttext.vec", "glove.txt", "glove.txt.gz", "word2vec.bin.gz"])
def test_every_form_gives_the_same_words_and_vectors(tmp_path: Path, vectors: torch.Tensor, form: str) -> None:
    keyed = KeyedVectors(6)
    keyed.add_vectors(WORDS, vectors.numpy())
    path = tmp_path / form.removesuffix(".gz")
    keyed.save_word2vec_format(str(path), binary=".bin" in form, write_header="glove" not in form)
    if form.endswith(".gz"):
        (tmp_path / form).write_bytes(gzip.compress(path.read_bytes()))
    words, read = read_vectors(tmp_path / form)
    assert words == WORDS
    assert torch.allclose(read, vectors, atol=1e-5)


def test_words_that_hold_whitespace_are_left_out(tmp_path: Path) -> None:
    words = ["the", "new\nline", "a\tb", "return\r", "next\u2028", "rome", "oslo"]
    rows = [f"{word} ".encode() + struct.pack("<2f", i, 1) for i, word in enumerate(words)]
    (tmp_path / "v.bin").write_bytes(b"7 2\n" + b"\n".join(rows))
    read, vectors = read_vectors(tmp_path / "v.bin")
    assert read == ["the", "rome", "oslo"]
    assert vectors[:, 0].tolist() == [0, 5, 6]
    save_table(build_table(read, vectors, neighbours=2), tmp_path / "table")
    assert load_table(tmp_path / "table").words == read


def test_words_of_glove_that_hold_spaces_are_left_out(tmp_path: Path) -> None:
    """As in glove.840B.300d."""
    (tmp_path / "glove.txt").write_text("the 1 2\n. . . 3 4\nat name@domain.com 5 6\nrome 7 8\nthe 9 9\n")
    words, vectors = read_vectors(tmp_path / "glove.txt")
    assert words == ["the", "rome"]
    assert vectors.tolist() == [[1, 2], [7, 8]]


def test_the_command_writes_a_trimmed_table(tmp_path: Path, vectors: torch.Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    keyed = KeyedVectors(6)
    keyed.add_vectors(WORDS, vectors.numpy())
    keyed.save_word2vec_format(str(tmp_path / "v.txt"))
    (tmp_path / "a.txt").write_text("The\tO\nPARIS\tB-LOC\n!\tO\nunseen\tO\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "the, the THE Oslo!"}))
    arguments = [f"--vectors={tmp_path}/v.txt", f"--output={tmp_path}/table", "--words=4", "--coverage"]
    assert main([*arguments, f"{tmp_path}/a.txt", f"{tmp_path}/b.jsonl"]) == 0
    assert "known: 71.4% of 7 words, 66.7% of 6 different ones" in capsys.readouterr().out
    table = load_table(tmp_path / "table")
    assert table.words == WORDS[:4]
    assert torch.equal(table.vectors, build_table(WORDS, read_vectors(tmp_path / "v.txt")[1], 4).vectors.half().float())


@pytest.mark.parametrize("value", ["--words=0", "--words=-3", "--neighbours=0"])
def test_numbers_that_make_no_table_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"--vectors={tmp_path}/v.bin", f"--output={tmp_path}/table", value])
    assert f"{value.replace('=', ' ')}: give 1 or more" in capsys.readouterr().err


ROWS = b"".join(b"word%d %d 1 2\n" % (i, i) for i in range(6))
NO_VECTORS = {
    "nothing": ("v.bin", b""),
    "prose": ("v.txt", b"hello world of text\n"),
    "bytes": ("v.bin", b"\x00\x01\x02" * 100),
    "rows that are too short": ("v.txt", b"3 4\nword 1 2\n"),
    "a row that is too short": ("v.txt", ROWS + b"odd 1 2\n"),
    "fewer rows than promised": ("v.txt", b"7 3\n" + ROWS),
    "words for numbers": ("v.txt", ROWS + b"odd one 1 2\n" + b"odd 1 2 three\n"),
    "a file cut short": ("v.bin", b"9 3\n" + b"word " + bytes(12)),
    "an archive cut short": ("v.txt.gz", gzip.compress(ROWS)[:-12]),
    "no archive": ("v.txt.gz", ROWS),
    "numbers that are none": ("v.txt", ROWS + b"odd nan 1 2\n"),
    "too few words": ("v.txt", ROWS[:48]),
}


@pytest.mark.parametrize("case", NO_VECTORS)
def test_what_holds_no_vectors_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    name, content = NO_VECTORS[case]
    (tmp_path / name).write_bytes(content)
    assert main([f"--vectors={tmp_path / name}", f"--output={tmp_path}/table"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(tmp_path / name) in told or "too few for 4 neighbours" in told
    assert not (tmp_path / "table").exists()


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    save_table(AugmentationTable(["a", "b"], torch.zeros(3, 2)), tmp_path)
    (tmp_path / "augmentation.txt").write_text("a")
    with pytest.raises(ValueError, match="do not fit together"):
        load_table(tmp_path)
    (tmp_path / "augmentation.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(ValueError, match="holds no table"):
        load_table(tmp_path)


def test_real_vectors_know_the_words_of_real_tweets_and_their_neighbours(shared: Path, tmp_path: Path) -> None:
    path = shared / "embeddings" / "w2v_tweets_200d.bin"
    words, vectors = read_vectors(path)
    everything = AugmentationTable(words, torch.zeros(len(words) + 1, 1))
    posts = read_conll(shared / "mner" / "twitter2017" / "valid.txt", TYPES)[0]
    tweets = [word for text, _ in map(text_of, posts) for word in (text[a:b] for a, b in split_words(text))]
    told = coverage(everything, tweets)
    assert float(told.removeprefix("known: ").split("%")[0]) == pytest.approx(95, abs=3)

    save_table(build_table(words, vectors, known=300), tmp_path)
    table = load_table(tmp_path)
    keyed = KeyedVectors.load_word2vec_format(str(path), binary=True)
    for word in words[100:300:40]:
        nearest, similarity = zip(*keyed.most_similar(word, topn=4), strict=True)
        weights = torch.tensor(similarity).exp()
        wanted = (weights / weights.sum()) @ torch.from_numpy(keyed[list(nearest)])
        assert torch.allclose(table.vectors[table.row(word.upper())], wanted, atol=2e-3)
