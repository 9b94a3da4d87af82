"""Folds of labelled tweets, and what a folder of them is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cross_validation import main, split

WORDS = st.lists(st.sampled_from("ab"), min_size=1, max_size=6)


def tweet(number: int, words: list[str]) -> str:
    return f"IMGID:{number}\n" + "\n".join(f"{word} O" for word in words)


def tweets_of(path: Path) -> list[str]:
    return [one for one in path.read_text().strip().split("\n\n") if one]


@given(st.lists(WORDS, min_size=2, max_size=60), st.integers(2, 4))
def test_each_tweet_is_tested_once_and_never_learnt_there(
    tmp_path_factory: pytest.TempPathFactory, texts: list[list[str]], folds: int
) -> None:
    folder = tmp_path_factory.mktemp("tweets")
    tweets = [tweet(number, words) for number, words in enumerate(texts)]
    middle = len(tweets) // 2
    (folder / "train.txt").write_text("\n\n".join(tweets[:middle]) + "\n\n")
    (folder / "valid.txt").write_text("\n\n".join(tweets[middle:]) + "\n")
    tested = []
    for number in range(folds):
        split(folder, folder / str(number), number, folds)
        learnt, chosen, test = (tweets_of(folder / str(number) / f"{part}.txt") for part in ("train", "valid", "test"))
        assert sorted(learnt + chosen + test) == sorted(tweets)
        words = {one.split("\n", 1)[1] for one in test}
        assert not words & {one.split("\n", 1)[1] for one in learnt + chosen}
        tested += test
    assert sorted(tested) == sorted(tweets)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (["--folds", "4", "--recipe", "one=--encoder nothing"], "other folds or tweets"),
        (["--recipe", "one=--encoder another"], "another recipe one"),
    ],
)
def test_a_folder_of_other_bundles_is_refused(tmp_path: Path, second: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("train", "valid"):
        (tmp_path / f"{name}.txt").write_text("\n\n".join(tweet(n, [f"word{n}"]) for n in range(40)) + "\n")
    command = [str(tmp_path / "folds"), "--data", str(tmp_path)]
    assert main([*command, "--recipe", "one=--encoder nothing"]) == 2
    assert "returned non-zero exit status 2" in capfd.readouterr().err
    assert main([*command, *second]) == 2
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("recipe", ["options", "data=--epochs 1", "../x=--epochs 1"])
def test_a_wrong_recipe_is_told(tmp_path: Path, recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--data", str(tmp_path), "--recipe", recipe])
    assert f"{recipe!r} is no recipe" in capsys.readouterr().err
