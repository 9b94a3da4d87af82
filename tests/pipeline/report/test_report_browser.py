"""The page in a real browser: nothing is loaded, nothing of a post runs, filters and keyboard work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
from playwright.sync_api import Browser, Error, sync_playwright
from playwright.sync_api import Page as Tab

from pipeline.report.command import main

INSTALLED = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(not INSTALLED, reason="no Chromium is installed (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def address(output: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    assert main([str(output), "--to", str(file)]) == 0
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=INSTALLED, chromium_sandbox=os.geteuid() != 0)
        except Error as error:
            pytest.skip(f"Chromium does not start here: {error.message.splitlines()[0]}")
        yield started
        started.close()


class Opened:
    """A page in a tab, with what it loaded and said."""

    def __init__(self, tab: Tab, address: str) -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.messages: list[str] = []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("console", lambda message: self.messages.append(message.text))
        tab.on("pageerror", lambda error: self.messages.append(str(error)))
        tab.on("dialog", lambda dialog: self.messages.append(dialog.message))
        before = perf_counter()
        tab.goto(address)
        self.seconds = perf_counter() - before

    def shown(self) -> int:
        return self.tab.locator(".post:visible").count()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Opened]:
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        yield Opened(context.new_page(), address)


def test_the_page_opens_quickly_and_loads_and_says_nothing(opened: Opened, address: str) -> None:
    opened.tab.mouse.wheel(0, 100_000)
    opened.tab.wait_for_timeout(300)
    assert [url for url in opened.requests if not url.startswith("data:image/jpeg")] == [address]
    assert opened.messages == []
    assert opened.tab.title() == "Postner report: night"
    assert opened.seconds < 2
    assert opened.shown() == 48


def test_the_policy_stops_what_a_post_might_start(opened: Opened) -> None:
    tried = """async () => {
        try { await fetch("https://evil.example/"); return "fetched"; } catch { }
        const script = document.createElement("script");
        script.textContent = "document.title = 'owned'";
        document.body.append(script);
        return document.title;
    }"""
    assert opened.tab.evaluate(tried) == "Postner report: night"
    assert any("Content Security Policy" in message for message in opened.messages)


def test_filters_show_the_posts_that_fit(opened: Opened) -> None:
    tab = opened.tab
    assert tab.locator("#shown").inner_text() == "48 of 48 posts"
    tab.fill("#query", "GRACE  hopper 7.")
    assert opened.shown() == 4  # times 7, 17, 27, 37
    assert tab.locator("#shown").inner_text() == "4 of 48 posts"
    tab.click("text=Clear")
    tab.select_option("#type", label="MISC")
    assert opened.shown() == 7
    tab.select_option("#type", label="no entity")
    assert opened.shown() == 9
    tab.click("text=Clear")
    tab.select_option("#status", label="corrupt")
    assert opened.shown() == 8
    tab.select_option("#status", label="no picture")
    assert opened.shown() == 20
    tab.select_option("#type", label="PER")
    tab.fill("#low", "0.5")
    tab.fill("#high", "0.75")
    assert opened.shown() == 4  # 22, 24, 26, 28
    tab.fill("#query", "no such words")
    assert opened.shown() == 0
    assert tab.locator("#nothing").is_visible()


def test_words_in_pictures_and_keys_are_searched(opened: Opened) -> None:
    opened.tab.fill("#query", "bonjour")
    assert opened.shown() == 20
    opened.tab.fill("#query", "gone.jpg")
    assert opened.shown() == 20


def test_a_click_on_a_name_or_a_bar_shows_its_posts(opened: Opened) -> None:
    tab = opened.tab
    tab.click(".names a:has-text('Grace Hopper')")
    assert opened.shown() == 32
    assert tab.evaluate("document.activeElement.id") == "posts"
    tab.click(".bars a:has-text('missing')")
    assert opened.shown() == 20
    assert tab.input_value("#query") == ""


def test_pointing_at_an_entity_shows_what_was_looked_at(opened: Opened) -> None:
    post = opened.tab.locator("#post-1")
    assert post.locator(".card:visible").count() == 0
    post.locator(".entity.e0").first.hover()
    card = post.locator(".card:visible").inner_text()
    assert "60.0 %" in card
    assert card.index("the text itself") < card.index("person, picture 1") < card.index("the whole picture, picture 1")
    assert post.locator(".seen.e0").is_visible()
    assert not post.locator(".seen.e1").is_visible()


def test_the_keyboard_reaches_everything(opened: Opened) -> None:
    tab = opened.tab
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "query"
    tab.keyboard.type("40. time/")
    assert tab.input_value("#query") == "40. time/"
    tab.keyboard.press("Backspace")
    assert opened.shown() == 1
    tab.keyboard.press("Escape")


def test_the_keyboard_shows_evidence_and_puts_it_away(opened: Opened) -> None:
    card = opened.tab.locator("#post-1 .card.e0")
    opened.tab.locator("#post-1 .meta a").focus()
    opened.tab.keyboard.press("Tab")
    assert card.is_visible()
    opened.tab.keyboard.press("Escape")
    assert not card.is_visible()


def test_all_posts_are_there_without_scripts(browser: Browser, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        opened = Opened(context.new_page(), address)
        assert opened.shown() == 48
        assert not opened.tab.locator("#filters").is_visible()
        opened.tab.locator("#post-1 .entity.e0").hover()
        assert opened.tab.locator("#post-1 .card.e0").is_visible()
        opened.tab.click(".names a:has-text('Grace Hopper')")
        assert "#post-" in opened.tab.url


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen_and_can_be_read_in_both_schemes(browser: Browser, address: str, width: int, scheme: str) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:  # type: ignore[arg-type]
        tab = Opened(context.new_page(), address).tab
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert lowest_contrast(tab) >= 4.5


def lowest_contrast(tab: Tab) -> float:
    """The lowest contrast of ink, quiet text and the names of types against paper, as WCAG defines it."""
    return tab.evaluate("""() => {
        const canvas = document.createElement("canvas").getContext("2d");
        const light = (name) => {
            canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
            const [r, g, b] = canvas.fillStyle.match(/\\w\\w/g).map((hex) => parseInt(hex, 16) / 255)
                .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const inks = ["--ink", "--soft", "--accent", "--good", "--bad", "--c0", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7"];
        return Math.min(...["--paper", "--page"].flatMap((paper) => inks.map((ink) => ratio(light(ink), light(paper)))));
    }""")
