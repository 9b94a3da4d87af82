"""Word boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tagging.words import SHAPES, split_words, word_shape


def words(text: str) -> list[str]:
    return [text[a:b] for a, b in split_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RT @NASA: #Mars2020 lands!", ["RT", "@", "NASA", ":", "#", "Mars2020", "lands", "!"]),
        ("see https://t.co/a1?b=c#d now", ["see", "https://t.co/a1?b=c#d", "now"]),
        ("cut http://t.c… off", ["cut", "http://t.c…", "off"]),
        ("it's 10,000.50, ok", ["it", "'", "s", "10,000.50", ",", "ok"]),
        ("go 👩‍👩‍👧‍👦👍🏽🇫🇷🇩🇪 1️⃣ ❤️!", ["go", "👩‍👩‍👧‍👦", "👍🏽", "🇫🇷", "🇩🇪", "1️⃣", "❤️", "!"]),
        ("Beyonce\u0301 in Sa\u0303o Paulo", ["Beyonce\u0301", "in", "Sa\u0303o", "Paulo"]),
        ("שלום עולם, مرحبا", ["שלום", "עולם", ",", "مرحبا"]),
        ("zero\u200bwidth \u200b \ufeffbom", ["zero", "width", "bom"]),
        ("मुंबई में", ["मुंबई", "में"]),
        ("snake_case @user_1", ["snake_case", "@", "user_1"]),
        ("", []),
        (" \n\t\u200b", []),
        ("\u0301\u0301", ["\u0301\u0301"]),
    ],
)
def test_examples(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_words_are_in_order_apart_and_leave_out_only_space_and_invisibles(text: str) -> None:
    bounds = split_words(text)
    flat = [position for bound in bounds for position in bound]
    assert flat == sorted(flat)
    assert all(a < b for a, b in bounds)
    covered = {i for a, b in bounds for i in range(a, b)}
    assert not any(text[i].isalnum() for i in range(len(text)) if i not in covered)


@given(st.text(min_size=1))
def test_every_word_has_a_shape(word: str) -> None:
    assert 0 < word_shape(word) < SHAPES
