"""Before a session ends its pages say so, who is there stays signed in, and who is not learns that it has ended."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.cast import Cast
from tests.browser.chromium import axe
from tests.browser.conftest import NARROW, PICTURES, WIDE, Figures, NewContext, sign_in
from tests.browser.pages import connected, live
from tests.lab.stack import ADMIN, Dashboard

AGE = """
from datetime import timedelta
from allauth.usersessions.models import UserSession
from django.utils import timezone
UserSession.objects.filter(session_key="{key}").update({name}=timezone.now() - timedelta(seconds={seconds}))
"""
ACTIVE = "select 1 from usersessions_usersession where session_key = ? and last_seen_at > datetime('now', '-1 minute')"
IDLE, ABSOLUTE = 8 * 3600, 12 * 3600


@pytest.fixture
def mine(running: Dashboard, new_browser: NewContext) -> Page:
    """A page with a session of its own, and a clock that can be put forward."""
    page = new_browser(None, says=("401",)).new_page()
    sign_in(page, ADMIN, running.password)
    page.wait_for_url(running.url + "/")
    page.clock.install()
    return page


def key(page: Page) -> str:
    [found] = [each["value"] for each in page.context.cookies() if "csrf" not in each["name"] and each["httpOnly"]]
    return found


def age(dashboard: Dashboard, page: Page, name: str, seconds: int) -> None:
    """As if the session had been seen, or made, that long ago."""
    dashboard.do(AGE.format(key=key(page), name=name, seconds=seconds))


def look(page: Page, box: Locator) -> None:
    """A picture in both themes on a desk and on a telephone, and nothing for axe to find."""
    for size in (WIDE, NARROW):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.screenshot(path=PICTURES / f"ending-{size['width']}-{theme}.png", animations="disabled")
            assert (size is WIDE) != (theme == "light") or not axe(page)
        place = box.bounding_box()
        assert place and place["x"] >= 0 and place["x"] + place["width"] <= size["width"]
    page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})


def test_who_is_there_stays_and_who_is_not_is_told(mine: Page, running: Dashboard) -> None:
    mine.goto("/hosts/add/")
    live(mine)
    box = mine.locator("#ending")
    expect(box).to_be_hidden()
    age(running, mine, "last_seen_at", IDLE - 240)
    mine.clock.fast_forward("07:56:00")
    expect(box).to_contain_text("(in 4 min)")
    look(mine, box)
    box.get_by_role("button", name="Stay signed in").click()
    expect(box).to_be_hidden()
    assert running.query(ACTIVE, key(mine))
    age(running, mine, "created_at", ABSOLUTE - 200)
    mine.clock.fast_forward("08:00:00")
    expect(box).to_contain_text("(in 4 min)")
    expect(box.get_by_role("button", name="Stay signed in")).to_be_hidden()
    expect(box.get_by_role("button", name="Sign in again")).to_be_visible()
    age(running, mine, "created_at", ABSOLUTE + 5)
    expect(mine.get_by_text("Your session has ended.")).to_be_visible()
    mine.get_by_label("Name").fill(ADMIN)
    mine.get_by_label("Password").fill(running.password)
    mine.keyboard.press("Enter")
    mine.wait_for_url(running.url + "/hosts/add/")


def test_a_console_says_it_too_also_where_it_fills_the_screen(mine: Page, running: Dashboard, cast: Cast) -> None:
    cast.is_on("web")
    mine.goto(cast["web"].console + "?own")
    connected(mine)
    # That click is told to the server some time later, perhaps only after the session was made old.
    mine.route("**/session/active/", lambda route: route.fulfill(status=204))
    mine.get_by_role("button", name="Full screen").click()
    expect(mine.locator(":fullscreen")).to_be_attached()
    age(running, mine, "last_seen_at", IDLE - 240)
    mine.clock.fast_forward("07:56:00")
    expect(mine.locator(":fullscreen #ending")).to_contain_text("(in 4 min)")
    mine.unroute("**/session/active/")
    mine.locator("[data-screen]").click()
    expect(mine.locator("#ending")).to_be_hidden()
    assert running.query(ACTIVE, key(mine))


def test_a_console_that_is_closed_from_elsewhere_says_so(new_browser: NewContext, cast: Cast, figures: Figures) -> None:
    cast.is_on("web")
    context = new_browser()
    page, other = context.new_page(), context.new_page()
    page.goto(cast["web"].console)
    connected(page)
    other.goto("/sessions/")
    began = time.monotonic()
    other.get_by_role("button", name=f"Close the console of {ADMIN} on {cast['web'].name}").first.click()
    expect(page.locator("[data-say]")).to_contain_text("Somebody closed this console")
    figures.add(f"Close in the list to the end of an open console: {time.monotonic() - began:.1f} s")
    expect(page.locator("[data-console]")).to_have_attribute("data-link", "ended")
    page.reload()
    connected(page)
