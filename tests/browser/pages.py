"""Where things stand on the pages, and how a person reaches them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.browser.cast import Player

BOOT = 60_000


def badge(page: Page) -> Locator:
    """The state in the head of a VM's page."""
    return page.locator("#vm-header .sub .state")


def state_in_row(page: Page, player: Player) -> Locator:
    return page.locator(f"#vm-{player.pk} .state [data-glow]")


def live(page: Page) -> None:
    """Wait until the page hears of changes."""
    expect(page.locator("html[data-hears]")).to_be_attached()


@contextmanager
def stays(page: Page) -> Iterator[None]:
    """What happens inside happens without a new page."""
    live(page)
    page.evaluate("() => { window.sameAsBefore = true }")
    yield
    assert page.evaluate("() => window.sameAsBefore"), "the page was loaded again"


def connected(page: Page, *, within: float = 15) -> None:
    """Wait until the console shows a picture."""
    expect(page.locator("[data-console]")).to_have_attribute("data-link", "connected", timeout=within * 1000)
    expect(page.locator("#console-card")).to_be_hidden()


RENEW = """() => new Promise((done) => {
  document.addEventListener("kvmweb:swapped", () => done(), { once: true });
  document.dispatchEvent(new CustomEvent("kvmweb:names", { detail: ["*"] }));
})"""


def renewed(page: Page) -> None:
    """Wait until all that lives on the page has been fetched again."""
    page.evaluate(RENEW)


SIGNS = {
    " ": "Space", "-": "Minus", "=": "Equal", "/": "Slash", ".": "Period", ";": "Semicolon",
    "$": "Shift+Digit4", "(": "Shift+Digit9", ")": "Shift+Digit0", "*": "Shift+Digit8", ">": "Shift+Period",
}  # fmt: skip


def key(character: str) -> str:
    """The keys that make the character on a US keyboard; what needs Shift gets it."""
    if character in SIGNS:
        return SIGNS[character]
    if character.isupper():
        return f"Shift+Key{character}"
    return f"Digit{character}" if character.isdigit() else f"Key{character.upper()}"


def type_line(page: Page, text: str) -> None:
    """Press the keys one by one, as fast as a quick typist."""
    for character in text:
        page.keyboard.press(key(character), delay=10)
        time.sleep(0.02)
    page.keyboard.press("Enter")
