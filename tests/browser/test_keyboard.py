"""From the door to the VM's screen without a mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.cast import Cast
from tests.browser.conftest import NewContext
from tests.browser.pages import badge, connected, live, renewed, type_line
from tests.lab.stack import ADMIN, Dashboard

# All of a page and around: what was pressed last may be gone, and what is wanted stand before it.
MOST_TABS = 80


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus, which must be seen."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("(one) => one === document.activeElement"):
            break
    expect(wanted).to_be_focused()
    shown = wanted.evaluate("(one) => { const s = getComputedStyle(one); return s.outlineStyle + s.boxShadow }")
    assert shown != "nonenone", "the focus is not shown"


def test_sign_in_find_start_and_type(running: Dashboard, cast: Cast, new_browser: NewContext) -> None:
    cast.is_off("idle")
    boots = len(cast["idle"].guest.boots())
    page = new_browser(None).new_page()
    page.goto("/")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type(ADMIN)
    page.keyboard.press("Tab")
    page.keyboard.type(running.password)
    page.keyboard.press("Enter")
    page.wait_for_url(running.url + "/")

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("idl")
    page.keyboard.press("Enter")
    page.wait_for_url("**/vms/?q=idl")
    live(page)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="idle", exact=True)).to_be_focused()
    renewed(page)
    expect(page.get_by_role("link", name="idle", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{cast['idle'].path}")

    tab_to(page, page.locator("#vm-header").get_by_role("button", name="Start"))
    page.keyboard.press("Enter")
    expect(badge(page)).to_have_text("running")
    tab_to(page, page.locator("#vm-header").get_by_role("link", name="Console"))
    page.keyboard.press("Enter")
    connected(page)
    cast["idle"].guest.wait_for_boot(boots + 1)
    if not page.locator("[data-screen]").evaluate("(one) => one.contains(document.activeElement)"):
        tab_to(page, page.locator("[data-screen] canvas"))
    type_line(page, "echo by-keyboard-$((6*7)) > /dev/ttyS0")
    cast["idle"].guest.wait_for_line("by-keyboard-42")
    page.keyboard.press("Control+Alt+Home")
    expect(page.get_by_role("button", name="Keys", exact=True)).to_be_focused()


def test_menus_open_walk_and_close_by_keys(page: Page, cast: Cast) -> None:
    cast.is_on("web")
    page.goto(cast["web"].path)
    opener = page.get_by_role("button", name="Power of web")
    tab_to(page, opener)
    page.keyboard.press("Enter")
    expect(page.locator("#vm-menu").get_by_role("button", name="Pause")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#vm-menu").get_by_role("button", name="Delete")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#vm-menu").get_by_role("button", name="Force off")).to_be_focused()
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="Force off web?")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(badge(page)).to_have_text("running")
    page.locator("body").press("/")
    page.keyboard.press("Escape")
    tab_to(page, opener)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#vm-menu")).to_be_hidden()
    expect(opener).to_be_focused()
