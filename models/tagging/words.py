"""Words of a post, with exact code point offsets."""

from __future__ import annotations

import regex

# The labelled sets (Ritter's and UMT's tokens) put each sign apart and keep letters, digits and marks together; this
# pattern is at least as fine as either, so that each of their tokens is a whole number of our words.
_WORD = regex.compile(
    r"""
      https?:/?/?[^\s]*                                 # address, whole, also when cut short ("http://t.c…")
    | [\p{RI}]{2}                                       # flag
    | [0-9\#*]\uFE0F?\u20E3                             # keycap
    | \p{Extended_Pictographic}\X??(?:[\uFE0E\uFE0F]|\p{EMod}|\u200D\p{Extended_Pictographic}|[\U000E0020-\U000E007F])*
    | [\p{L}\p{N}_](?:[\p{L}\p{N}\p{M}_\u200C\u200D\u00AD\u2060]|(?<=\p{Nd})[.,](?=\p{Nd}))*
    | [^\s\p{Cf}\p{Cc}]\p{M}*                           # any other sign, one by one, with its marks
    """,
    regex.VERBOSE | regex.IGNORECASE,
)


def split_words(text: str) -> list[tuple[int, int]]:
    """Word boundaries of `text` as (start, end), in Unicode code points, in order, never empty, never overlapping.

    Spaces, control and bare format characters (zero-width space, bidirectional marks, byte order mark) belong to no
    word. The markers of mentions and hashtags are words of their own, as in the Twitter-2017 set: the entity in
    `#NBA` is `NBA`.
    """
    return [match.span() for match in _WORD.finditer(text)]


def word_shape(word: str) -> int:
    """Index below `SHAPES` of the word's shape, which an uncased encoder cannot see."""
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
"""0 is for subwords that begin no word; then address, sign, digits, number-like, single capital, capitals, lower case,
capitalised, mixed from a capital, mixed, script without case."""
