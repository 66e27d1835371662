"""Pages that are open follow what happens, whoever made it happen, and are never loaded anew for it."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect

from tests.browser.cast import Cast
from tests.browser.conftest import Figures, NewContext
from tests.browser.pages import badge, state_in_row, stays

LAST_NAMES = "/vms/?sort=-name"  # where web and deaf are, also when a crowd of VMs fills the first page


def test_start_by_the_button_changes_the_badge(page: Page, cast: Cast, figures: Figures) -> None:
    cast.is_off("idle")
    page.goto(cast["idle"].path)
    expect(badge(page)).to_have_text("shut off")
    with stays(page):
        began = time.monotonic()
        page.get_by_role("button", name="Start").click()
        expect(badge(page)).to_have_text("running")
        figures.add(f"click on Start to the badge: {time.monotonic() - began:.1f} s")
        expect(page.locator("#vm-header").get_by_role("link", name="Console")).to_be_visible()
        expect(page.locator("#vm-overview")).to_contain_text("Start")


def test_what_virsh_does_is_seen_in_the_open_list_and_on_the_open_page(
    page: Page, cast: Cast, figures: Figures
) -> None:
    cast.is_on("web")
    mine = cast["web"]
    listing = page.context.new_page()
    listing.goto(LAST_NAMES)
    page.goto(mine.path)
    expect(badge(page)).to_have_text("running")
    with stays(page), stays(listing):
        for verb, state in (("suspend", "paused"), ("resume", "running")):
            began = time.monotonic()
            cast.guests.host.virsh(verb, mine.name)
            expect(badge(page)).to_have_text(state)
            figures.add(f"virsh {verb} to the open page: {time.monotonic() - began:.1f} s")
            expect(state_in_row(listing, mine)).to_have_text(state)


def test_a_vm_that_goes_keeps_its_page_which_says_since_when(page: Page, cast: Cast) -> None:
    going = cast.engage("going")
    page.goto(going.path)
    with stays(page):
        cast.guests.host.virsh("undefine", going.name)
        expect(page.locator("#vm-header .sub")).to_contain_text("gone since")
        expect(page.locator("#vm-header .sub")).to_contain_text("(outside)")
    expect(page.get_by_role("button", name="Start")).to_have_count(0)
    for tab in ("Console", "XML", "Activity"):
        page.get_by_role("navigation", name="Parts of this VM").get_by_role("link", name=tab).click()
        expect(page.locator("#vm-header .sub")).to_contain_text("gone since")


def test_a_guest_that_ignores_shut_down_is_waited_for_and_forced_off_at_once(
    page: Page, cast: Cast, figures: Figures
) -> None:
    cast.is_on("deaf")
    page.goto(cast["deaf"].path)
    waiting = page.get_by_text("Waiting for deaf to shut down")
    with stays(page):
        page.get_by_role("button", name="Shut down", exact=True).first.click()
        expect(waiting).to_be_visible()
        keep = page.get_by_role("button", name="Keep waiting")
        first = keep.get_attribute("formaction") or ""
        page.get_by_role("button", name="Ask again").click()
        expect(keep).not_to_have_attribute("formaction", first)
        keep.click()
        expect(keep).to_have_count(0)
        expect(waiting).to_be_visible()
        assert cast["deaf"].guest.is_running()
        page.get_by_role("button", name="Power of deaf").click()
        page.locator("#vm-menu").get_by_role("button", name="Force off").click()
        question = page.get_by_role("dialog", name="Force off deaf?")
        expect(question).to_contain_text("not written to disk is lost")
        began = time.monotonic()
        question.get_by_role("button", name="Force off deaf").click()
        expect(badge(page)).to_have_text("shut off")
        figures.add(f"Force off to the badge: {time.monotonic() - began:.1f} s")
        expect(waiting).to_have_count(0)
    assert cast["deaf"].guest.is_off()


def test_two_vms_are_asked_at_once_and_another_browser_sees_it(page: Page, cast: Cast, new_browser: NewContext) -> None:
    for name in ("web", "deaf"):
        cast.is_on(name)
    other = new_browser().new_page()
    other.goto(LAST_NAMES)
    page.goto(LAST_NAMES)
    with stays(page), stays(other):
        for name in ("web", "deaf"):
            page.get_by_role("checkbox", name=f"Tick {name}", exact=True).check()
        expect(page.get_by_text("2 ticked")).to_be_visible()
        bulk = page.locator("[data-bulk]")
        bulk.get_by_role("button", name="Pause").click()
        for browser in (page, other):
            for name in ("web", "deaf"):
                expect(state_in_row(browser, cast[name])).to_have_text("paused")
        bulk.get_by_role("button", name="Resume").click()
        for name in ("web", "deaf"):
            expect(state_in_row(page, cast[name])).to_have_text("running")
        page.locator("[popovertarget=bulk-menu]").click()
        bulk.get_by_role("button", name="Force off").click()
        question = page.get_by_role("dialog", name="Force off 2 VMs?")
        expect(question).to_contain_text("deaf, web")
        question.get_by_role("button", name="Force off").click()
        for name in ("web", "deaf"):
            expect(state_in_row(other, cast[name])).to_have_text("shut off")
