"""Lines of text to blocks."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tagging.blocks import join_lines
from models.vision.images.features import TextLine


def line(text: str, left: float, top: float, right: float, bottom: float, score: float = 0.9) -> TextLine:
    return TextLine(text, np.array([left, top, right, bottom], np.float32), score)


def texts(*lines: TextLine) -> list[str]:
    return [block.text for block in join_lines(lines)]


def test_lines_below_each_other_are_one_block() -> None:
    assert texts(line("CHARLES", 10, 10, 200, 40), line("MANSON", 30, 45, 180, 75)) == ["CHARLES MANSON"]


def test_words_side_by_side_are_one_block_in_reading_order() -> None:
    assert texts(line("Roosevelt", 120, 12, 200, 40), line("Eleanor", 10, 10, 100, 40)) == ["Eleanor Roosevelt"]


def test_two_columns_are_two_blocks() -> None:
    left = [line("Selena", 10, 10, 100, 30), line("Gomez", 10, 35, 100, 55)]
    right = [line("One", 300, 11, 380, 30), line("Direction", 300, 34, 390, 55)]
    assert texts(left[0], right[0], left[1], right[1]) == ["Selena Gomez", "One Direction"]


def test_a_headline_is_apart_from_small_print_below_it() -> None:
    assert texts(line("KIERAN", 10, 10, 400, 90), line("all rights reserved", 10, 95, 200, 110)) == ["KIERAN", "all rights reserved"]


def test_lines_far_below_are_another_block() -> None:
    assert texts(line("Dark Alleys", 10, 10, 200, 40), line("Scorn Kills", 10, 90, 200, 120)) == ["Dark Alleys", "Scorn Kills"]


def test_box_is_the_hull_and_score_weighs_characters() -> None:
    (block,) = join_lines([line("abc", 10, 10, 100, 30, 0.8), line("d", 5, 32, 60, 52, 0.4)])
    assert block.box.tolist() == [5, 10, 100, 52]
    assert block.score == np.float64((3 * 0.8 + 0.4) / 4)


def test_nothing() -> None:
    assert join_lines([]) == []


@st.composite
def some_lines(draw: st.DrawFn) -> list[TextLine]:
    count = draw(st.integers(0, 25))
    numbers = st.integers(0, 300)
    made = []
    for index in range(count):
        left, top, width, height = draw(numbers), draw(numbers), draw(st.integers(0, 120)), draw(st.integers(0, 60))
        made.append(line(f"w{index}", left, top, left + width, top + height))
    return made


@settings(deadline=None)
@given(some_lines())
def test_each_line_is_in_exactly_one_block_inside_its_box(lines: list[TextLine]) -> None:
    blocks = join_lines(lines)
    assert Counter(word for block in blocks for word in block.text.split()) == Counter(one.text for one in lines)
    for block in blocks:
        for word in block.text.split():
            box = lines[int(word[1:])].box
            assert (box[:2] >= block.box[:2]).all()
            assert (box[2:] <= block.box[2:]).all()


def follows(a: TextLine, b: TextLine) -> bool | np.bool:
    """The rule of a block for two lines, in plain numbers."""
    (ax, ay, ar, ab), (bx, by, br, bb) = a.box.tolist(), b.box.tolist()
    small, large = sorted((ab - ay, bb - by))
    gap_x, gap_y = max(ax, bx) - min(ar, br), max(ay, by) - min(ab, bb)
    is_below = gap_y <= 0.5 * small and -gap_x >= 0.5 * min(ar - ax, br - bx)
    is_beside = gap_x <= small and -gap_y >= 0.5 * small
    return small >= np.float32(0.6) * np.float32(large) and (is_below or is_beside)  # as exact as the boxes


@settings(deadline=None)
@given(some_lines())
def test_blocks_are_the_connected_lines(lines: list[TextLine]) -> None:
    together = [{i} for i in range(len(lines))]
    for i in range(len(lines)):
        for j in range(i):
            if follows(lines[i], lines[j]):
                merged = next(group for group in together if i in group) | next(group for group in together if j in group)
                together = [group for group in together if not group & merged] + [merged]
    found = {frozenset(int(word[1:]) for word in block.text.split()) for block in join_lines(lines)}
    assert found == {frozenset(group) for group in together}
