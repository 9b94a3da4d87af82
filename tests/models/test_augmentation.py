"""The table of augmentation vectors, against a slow and plain computation; files of word vectors in every form."""

from __future__ import annotations

import gzip
import math
import shutil
from pathlib import Path

import pytest
import torch
from gensim.models import KeyedVectors

from models.augment import main
from models.augmentation import NEIGHBOURS, AugmentationTable, build_table, load_table, read_vectors, save_table

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


def test_the_command_writes_a_trimmed_table(tmp_path: Path, vectors: torch.Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    keyed = KeyedVectors(6)
    keyed.add_vectors(WORDS, vectors.numpy())
    keyed.save_word2vec_format(str(tmp_path / "v.txt"))
    (tmp_path / "a.txt").write_text("The\tO\nPARIS\tB-LOC\n!\tO\nunseen\tO\n")
    arguments = [f"--vectors={tmp_path}/v.txt", f"--output={tmp_path}/table", "--words=4", f"--coverage={tmp_path}/a.txt"]
    assert main(arguments) == 0
    assert "known: 66.7% of 3 words" in capsys.readouterr().out
    table = load_table(tmp_path / "table")
    assert table.words == WORDS[:4]
    assert torch.equal(table.vectors, build_table(WORDS, read_vectors(tmp_path / "v.txt")[1], 4).vectors.half().float())


@pytest.mark.parametrize("content", [b"", b"hello world of text\n", b"\x00\x01\x02" * 100, b"3 4\nword 1 2\n"])
def test_what_holds_no_vectors_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    (tmp_path / "v.bin").write_bytes(content)
    assert main([f"--vectors={tmp_path}/v.bin", f"--output={tmp_path}/table"]) == 2
    assert "v.bin" in capsys.readouterr().err


def test_tables_whose_files_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_table(AugmentationTable(["a", "b"], torch.zeros(3, 2)), tmp_path / "one")
    shutil.copy(tmp_path / "one" / "augmentation.txt", tmp_path / "words.txt")
    (tmp_path / "one" / "augmentation.txt").write_text("a")
    with pytest.raises(ValueError, match="do not fit"):
        load_table(tmp_path / "one")


def test_the_real_vectors_know_the_words_of_real_tweets(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = shared / "mner" / "twitter2017" / "valid.txt"
    vectors = shared / "embeddings" / "w2v_tweets_200d.bin"
    assert main([f"--vectors={vectors}", f"--output={tmp_path}", "--words=30000", f"--coverage={labelled}"]) == 0
    assert float(capsys.readouterr().out.split("known: ")[1].split("%")[0]) > 88
