"""Split posts into words with exact code point offsets, and classify the shape of words."""

from __future__ import annotations

import regex

# The labelled data sets (tokenised by Ritter's and UMT's rules) separate punctuation and keep letters, digits and combining
# marks together. This pattern splits at least as finely, so each of their tokens is one or several of our words.
_WORD = regex.compile(
    r"""
      https?:/?/?[^\s]*                                 # web address, also a truncated one ("http://t.c…")
    | [\p{RI}]{2}                                       # flag
    | [0-9\#*]\uFE0F?\u20E3                             # keycap
    | \p{Extended_Pictographic}\X??(?:[\uFE0E\uFE0F]|\p{EMod}|\u200D\p{Extended_Pictographic}|[\U000E0020-\U000E007F])*
    | [\p{L}\p{N}_](?:[\p{L}\p{N}\p{M}_\u200C\u200D\u00AD\u2060]|(?<=\p{Nd})[.,](?=\p{Nd}))*
    | [^\s\p{Cf}\p{Cc}]\p{M}*                           # any other character, one by one, with its marks
    """,
    regex.VERBOSE | regex.IGNORECASE,
)


_HALF_PAIR = regex.compile("[\ud800-\udfff]")


def split_words(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of each word in Unicode code points: in order, not empty, not overlapping.

    Spaces, control characters and lone format characters (zero-width space, bidirectional marks, byte order mark) are
    not part of any word. `@` and `#` are words of their own, as in the Twitter-2017 set: the entity in `#NBA` is `NBA`.
    """
    return [match.span() for match in _WORD.finditer(text)]


def without_half_pairs(text: str) -> str:
    """Return a text with each half of a surrogate pair as U+FFFD. Tokenizers read only what UTF-8 can encode."""
    return _HALF_PAIR.sub("\ufffd", text)


def word_shape(word: str) -> int:
    """Return the class of a word's shape, 1 to `SHAPES` - 1. An uncased encoder does not see the shape itself."""
    if word.startswith(("http:", "https:")):
        return 1
    if not any(character.isalnum() for character in word):
        return 2
    if word.isdigit():
        return 3
    if not any(character.isalpha() for character in word):
        return 4
    if word.isupper():
        return 5 if len(word) == 1 else 6
    if word.islower():
        return 7
    if word[0].isupper() and word[1:].islower():
        return 8
    if word[0].isupper():
        return 9
    return 10 if word.upper() != word.lower() else 11


SHAPES = 12
"""Number of classes. 0 is for subwords that do not begin a word. Then, from 1: web address, punctuation, digits,
digits and punctuation, single capital, all capitals, lower case, capitalised, mixed case that begins with a capital, other
mixed case, script without case."""
