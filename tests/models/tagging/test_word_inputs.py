"""Inputs of words, against an oracle that tokenizes each post as a whole, for three kinds of tokenizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from models.tagging.augmentation import AugmentationTable
from models.tagging.word_inputs import MAX_SUBWORDS_PER_WORD, WORDS_PER_CALL, word_inputs
from models.tagging.words import word_shape

CORPUS = [
    "grace hopper at the pentagon",
    "Grace's lighthouse, the lightest house",
    "#NBA @nba 12,5 \u00e9t\u00e9 \u0441\u043d\u0435\u0433",
] * 3
TABLE = AugmentationTable(["the", "NBA", "house"], torch.zeros(4, 2))


def _word_piece() -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[UNK]"], show_progress=False)


def _byte_level() -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer, trainers.BpeTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False)


def _sentence_piece() -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return tokenizer, trainers.UnigramTrainer(vocab_size=60, special_tokens=["[UNK]"], unk_token="[UNK]", show_progress=False)


@cache
def _trained(kind: Callable[[], tuple[Tokenizer, trainers.Trainer]]) -> PreTrainedTokenizerFast:
    tokenizer, trainer = kind()
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def _of_post(words: list[str], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """The oracle: the post is tokenized with its words in their context."""
    encoded = tokenizer([words], is_split_into_words=True, add_special_tokens=False)
    ids, word_ids = encoded["input_ids"][0], encoded.word_ids(0)
    by_word = [[subword for subword, of_word in zip(ids, word_ids, strict=True) if of_word == word] for word in range(len(words))]
    return [subwords[:MAX_SUBWORDS_PER_WORD] or [tokenizer.unk_token_id] for subwords in by_word]


WORDS = st.one_of(
    st.sampled_from(" ".join(CORPUS).split()), st.text(min_size=1, max_size=50).filter(lambda word: word.isprintable() and word.strip())
)


@pytest.mark.parametrize("kind", [_word_piece, _byte_level, _sentence_piece])
@settings(deadline=None, max_examples=60)
@given(posts=st.lists(st.lists(WORDS, min_size=1, max_size=8), min_size=1, max_size=5))
def test_a_word_has_the_inputs_that_it_has_in_its_post(
    kind: Callable[[], tuple[Tokenizer, trainers.Trainer]], posts: list[list[str]]
) -> None:
    tokenizer = _trained(kind)
    words = [*chain(*posts)]
    wanted = [subwords for post in posts for subwords in _of_post(post, tokenizer)]
    inputs = word_inputs(words, tokenizer, TABLE)
    assert inputs.counts.tolist() == [len(subwords) for subwords in wanted]
    assert inputs.subwords.tolist() == [*chain(*wanted)]
    assert inputs.firsts.tolist() == [first for first, _ in pairwise(np.cumsum([0, *inputs.counts]).tolist())]
    for name, of_word in (("augmentation", TABLE.row), ("shapes", word_shape)):
        at_firsts = np.zeros(len(inputs.subwords), np.int64)
        at_firsts[inputs.firsts] = [of_word(word) for word in words]
        assert getattr(inputs, name).tolist() == at_firsts.tolist(), name


def test_many_distinct_words_are_tokenized_in_several_calls() -> None:
    tokenizer = _trained(_word_piece)
    words = [f"the{number}" for number in range(3 * WORDS_PER_CALL + 1)]
    inputs = word_inputs([*words, *words], tokenizer, None)
    assert inputs.subwords.tolist() == 2 * [*chain(*_of_post(words, tokenizer))]
    assert not inputs.augmentation.any()
