"""Tags of several VMs, by keyboard and on a telephone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, NewContext
from tests.browser.pages import live
from tests.browser.stage import Stage


def asks(page: Page, name: str) -> None:
    """With the keyboard alone from the ticked rows on."""
    button = page.locator("[data-bulk] .bulk-verbs").get_by_role("button", name="Tag…")
    if not button.is_visible():
        page.locator("[popovertarget=bulk-menu]").focus()
        page.keyboard.press("Enter")
        button = page.locator("#bulk-menu").get_by_role("button", name="Tag…")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(name)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["desk", "telephone"])
def test_two_get_a_tag_and_lose_it_without_a_mouse(size: dict[str, int], stage: Stage, new_browser: NewContext) -> None:
    stage.crowd_is_off()
    page = new_browser(viewport=size, says=("status of 422",)).new_page()
    page.goto("/vms/?q=crowd-0")
    live(page)
    for box in page.locator("tbody [type=checkbox]").all()[:2]:
        box.focus()
        page.keyboard.press("Space")
    asks(page, "Tags of 2 VMs")
    page.get_by_label("Put on").focus()
    page.keyboard.type("of, x" + "x" * 50)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator(".field-error")).to_contain_text("A tag has 1 to 50 signs")
    expect(page.get_by_label("Put on")).to_have_value("of, x" + "x" * 50)
    page.get_by_label("Put on").fill("of-two")
    page.get_by_label("Put on").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("The tags of 2 VMs are changed.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("tbody").get_by_role("link", name="of-two")).to_have_count(2)
    expect(page.locator("[data-bulk-count]")).to_have_text("2 ticked")
    asks(page, "Tags of 2 VMs")
    expect(page.get_by_role("dialog")).to_contain_text("They have now: of-two 2")
    page.get_by_label("Take off").fill("of-two")
    page.get_by_label("Take off").focus()
    page.keyboard.press("Enter")
    expect(page.locator("tbody").get_by_role("link", name="of-two")).to_have_count(0)
