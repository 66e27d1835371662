"""The browser of the tests: Debian's Chromium, a page signed in, what axe and the Content-Security-Policy say of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

PROGRAM = Path(__file__).with_name("unlinked.py")
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE = (1600, 1000)
TELEPHONE = (375, 812)


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)


def new_context(chromium: Browser, theme: str = "light", size: tuple[int, int] = WIDE) -> BrowserContext:
    """A context of that theme and size; a narrow one has a touch screen."""
    return chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, has_touch=size == TELEPHONE,  # type: ignore[arg-type]
        ignore_https_errors=True,
    )  # fmt: skip


def watch(page: Page) -> list[str]:
    """A list that fills with what the page complains of: errors of scripts, and what the policy refused."""
    complaints: list[str] = []

    def note(said: ConsoleMessage) -> None:
        complaints.append(f"{page.url}: {said.text}")

    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("console", lambda said: note(said) if said.type == "error" else None)
    return complaints


def sign_in(page: Page, base: str, name: str, password: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", password)
    page.click("button[type=submit], form button")
    page.wait_for_url(lambda url: "/accounts/login" not in url)


def axe(page: Page) -> list[str]:
    """What axe-core finds on the page: WCAG 2.2 AA and good practice."""
    page.evaluate(AXE.read_text())
    result: Any = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{page.url}: {violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
