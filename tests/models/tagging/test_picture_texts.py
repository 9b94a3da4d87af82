"""Names in the texts of pictures, by the shipped tagger."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.loading import ModelOptions, load_annotator
from models.tagging.annotate import Annotator
from models.tagging.blocks import PictureText, texts_of
from models.tagging.picture_texts import row, tag_texts
from models.vision.images.features import TextLine
from transforms.writers.schema import ANNOTATIONS


@pytest.fixture(scope="module")
def annotator() -> Annotator:
    return load_annotator(ModelOptions(detector=None, threads=1))


def line(text: str, top: float, score: float = 0.95) -> TextLine:
    return TextLine(text, np.array([10, top, 200, top + 30], np.float32), score)


def names(annotator: Annotator, text: PictureText) -> list[tuple[str, str]]:
    return [(entity.text, entity.type) for entity in tag_texts(annotator, [text])[0]]


def test_a_name_broken_over_lines_is_one_entity(annotator: Annotator) -> None:
    (text,) = texts_of([line("OSCAR", 10), line("WILDE", 42), line("lived here", 74)], None)
    assert text.text == "OSCAR WILDE lived here"
    assert names(annotator, text) == [("OSCAR WILDE", "PER")]


def test_alt_texts_come_last_and_have_no_box(annotator: Annotator) -> None:
    read, alt = texts_of([line("Lisbon", 10)], "Angela Merkel in Berlin")
    assert (read.kind, alt.kind, alt.box, alt.score) == ("ocr", "alt", None, None)
    assert names(annotator, alt) == [("Angela Merkel", "PER"), ("Berlin", "LOC")]


@pytest.mark.parametrize("alt", [None, "", " \n\t"])
def test_no_text_no_entry(alt: str | None) -> None:
    assert texts_of([], alt) == []


def test_offsets_are_exact_in_any_script(annotator: Annotator) -> None:
    texts = [PictureText("alt", "🎉 ẞ İstanbul: Angela Merkel meets Emmanuel Macron in BERLIN"), PictureText("alt", "  Lisbon, São Paulo ")]
    for text, entities in zip(texts, tag_texts(annotator, texts), strict=True):
        assert entities
        assert all(text.text[entity.start : entity.end] == entity.text for entity in entities)
        assert not any(entity.evidence for entity in entities)


def test_a_text_does_not_depend_on_the_others(annotator: Annotator) -> None:
    texts = [PictureText("alt", f"Anna Karlsson in Lisbon {'and Porto ' * i}") for i in range(6)]
    together = tag_texts(annotator, texts)
    assert together == [tag_texts(annotator, [text])[0] for text in texts]
    assert all(together)


def test_badly_read_blocks_have_no_names(annotator: Annotator) -> None:
    (good,), (bad,) = texts_of([line("Angela Merkel", 10)], None), texts_of([line("Angela Merkel", 10, 0.85)], None)
    assert names(annotator, good)
    assert names(annotator, bad) == []


def test_single_letters_are_no_names_of_a_picture(annotator: Annotator) -> None:
    for text in ("B", "7", "X 3", "@ K"):
        assert names(annotator, texts_of([line(text, 10)], None)[0]) == []


def test_rows_fit_the_schema(annotator: Annotator) -> None:
    texts = texts_of([line("OSCAR WILDE", 10)], "Angela Merkel")
    rows = [row(text, entities) for text, entities in zip(texts, tag_texts(annotator, texts), strict=True)]
    kind = ANNOTATIONS.field("images").type.value_type.field("texts").type
    stored = pa.array([rows], kind).to_pylist()[0]
    assert [entry["kind"] for entry in stored] == ["ocr", "alt"]
    assert [entry["entities"][0]["text"] for entry in stored] == ["OSCAR WILDE", "Angela Merkel"]
    assert stored[0]["box"] == [10, 10, 200, 40]
    assert stored[1]["box"] is None
