"""Finds what one can press on a page, presses it, and tells whether anything came of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from playwright.sync_api import ElementHandle, Error, Page, Request

SCRIPT = Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class Control:
    """name: what it is called and does; same: how many of that name come before it. kind: link, button, field, choice.

    menu: it stands in a menu. frame: in which part that several pages show alike, the head and the tabs of a VM or a
    host; "" for none.
    """

    name: str
    same: int
    kind: str
    menu: bool
    frame: str


def find(page: Page, within: str, rows: int) -> list[Control]:
    """What can be pressed inside these parts of the page, links first; of a list's rows, so many from the first on."""
    found = page.evaluate("([within, most]) => controls.find(within, most)", [within, rows])
    return sorted((Control(**one) for one in found), key=lambda control: control.kind != "link")


def locate(page: Page, within: str, control: Control, rows: int) -> ElementHandle | None:
    """Where it is now; None where pressing one like it took it away, else AssertionError when it is nowhere."""
    words = [within, rows, asdict(control)]
    found = page.evaluate_handle("([within, most, control]) => controls.again(within, most, control)", words)
    element = found.as_element()
    assert element or control.same, f"no longer there: {control.name}"
    return element


@dataclass
class Wire:
    """What a page asks for, other than to renew itself."""

    page: Page
    asked: list[str] = field(default_factory=list)
    unanswered: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.add_init_script(path=SCRIPT)
        self.page.on("request", self.note)
        self.page.on("requestfinished", self.forget)
        self.page.on("requestfailed", self.forget)

    def note(self, request: Request) -> None:
        if "x-kvmweb-refresh" not in request.headers and not request.url.startswith(("blob:", "data:")):
            self.asked.append(f"{request.method} {request.url}")
            self.unanswered.add(request)

    def forget(self, request: Request) -> None:
        self.unanswered.discard(request)

    def settle(self) -> None:
        """Wait for the answers to what was asked."""
        for _ in range(100):
            if not self.unanswered:
                return
            self.page.wait_for_timeout(50)


def press(page: Page, control: Control, element: ElementHandle, wire: Wire, *, within: float = 2) -> set[str]:
    """What came of it, within that time; empty for a dead control."""
    pages, url, downloads = len(page.context.pages), page.url, list[str]()
    page.once("download", lambda download: downloads.append(download.suggested_filename))
    element.scroll_into_view_if_needed()
    page.evaluate("(pressed) => controls.arm(pressed)", element)
    wire.asked.clear()
    if control.kind == "choice":
        element.select_option(index=1 if element.evaluate("(one) => one.selectedIndex") == 0 else 0)
    else:
        element.click(timeout=5000)
    until = time.monotonic() + within
    while True:
        try:
            effects = set(page.evaluate("(pressed) => controls.effects(pressed)", element))
        except Error:  # the page in which it was pressed is gone
            return {"new page"}
        seen = {
            "request": bool(wire.asked),
            "address": page.url != url,
            "window": len(page.context.pages) > pages,
            "download": bool(downloads),
        }
        effects |= {name for name, happened in seen.items() if happened}
        if effects or time.monotonic() > until:
            return effects
        page.wait_for_timeout(30)
