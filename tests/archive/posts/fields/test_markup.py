"""Escaped and marked-up texts as a reader sees them."""

from __future__ import annotations

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.posts.fields.markup import has_entities, to_plain, unescape

LINK = (
    '<a href="https://n.example/long"><span class="invisible">https://</span>'
    '<span class="ellipsis">n.example/lo</span><span class="invisible">ng</span></a>'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AT&amp;T", "AT&T"),
        ("&lt;3 &gt; &quot;&#39;&#x27;&apos;", "<3 > \"'''"),
        ("caf&eacute; &#128512;&hellip;", "café 😀…"),
        ("&amp;amp; once", "&amp; once"),
        ("a &notit; b &amp b AT&T R&D; &;", "a &notit; b &amp b AT&T R&D; &;"),
        ("&#xD800; &#0;", "\ufffd \ufffd"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_entities(text: str, expected: str) -> None:
    assert unescape(text) == to_plain(text, "escaped") == expected
    assert to_plain(text, "plain") == text
    assert has_entities(text) == (text != expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<p><span class="h-card"><a href="x">@<span>ida</span></a></span> in Oslo. R&amp;B</p>', "@ida in Oslo. R&B"),
        ("<p>a</p><p>b<br>c<br/>d<BR />e</p>", "a\n\nb\nc\nd\ne"),
        (f"<p>See {LINK} now</p>", "See n.example/lo… now"),
        ("a < b, 1 <2 & c > d <3", "a < b, 1 <2 & c > d <3"),
        ("<script>x < '<p>'</script>a<style>p {}</style>b<!-- <p> -->c", "abc"),
        ('<ul><li>one</li><li>two</li></ul><div title="a > b">three</div>', "one\n\ntwo\n\nthree"),
        ('<img alt="[smile]" src="x"><img src=y>', "[smile]"),
        ("<b>&lt;b&gt;</b>", "<b>"),
        ("<p>open <i>tags", "open tags"),
        ("</p></span></p>closed", "closed"),
        ('<span class="invisible">all', ""),
        ("<a b", "<a b"),
        ("<p>x</p><!-- never closed <p>", "x"),
    ],
)
def test_html(text: str, expected: str) -> None:
    assert to_plain(text, "html") == expected


@given(st.text())
def test_escaping_is_undone(text: str) -> None:
    assert unescape(html.escape(text)) == text


@given(st.text(st.characters(exclude_characters="<&")), st.sampled_from(["plain", "escaped", "html"]))
def test_a_text_without_markup_stays(text: str, markup: str) -> None:
    assert to_plain(text, markup) == text


@given(st.text("<>/!-pabscriptyle=\"' &;#x1\n", max_size=60))
def test_any_html_is_text(text: str) -> None:
    assert isinstance(to_plain(text, "html"), str)


@pytest.mark.parametrize(
    "part",
    [
        "<",
        "<p>",
        "<a ",
        "<a '",
        '<a "x>',
        "<!--",
        "<script>",
        "</",
        "<!",
        '<span class="',
        "<span class='invisible'>",
        "&",
        "&amp",
        " \n",
        "<p\t",
    ],
)
@pytest.mark.parametrize("end", ["", ">", "-->", "'>", '">'])
def test_hostile_html_takes_linear_time(part: str, end: str) -> None:
    start = time.process_time()
    to_plain(part * (10**6 // len(part)) + end, "html")
    assert time.process_time() - start < 5
