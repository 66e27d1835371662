"""A host that is silent: what is asked of its VMs is refused at once, and waits where somebody chooses that."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.cast import Cast
from tests.browser.chromium import axe
from tests.browser.conftest import NARROW, PICTURES, WIDE, NewContext
from tests.browser.pages import badge, renewed, state_in_row
from tests.lab.machine import LabHost
from tests.lab.test_kills import held


def look(page: Page, name: str) -> None:
    """A picture in both themes on a desk and on a telephone, and nothing for axe to find."""
    for size in (WIDE, NARROW):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.screenshot(path=PICTURES / f"{name}-{size['width']}-{theme}.png", animations="disabled")
            assert not axe(page)
    page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})


def test_an_action_on_a_silent_host_waits_by_choice(cast: Cast, new_browser: NewContext, lab_host: LabHost) -> None:
    cast.is_on("web")
    page = new_browser(says=("409",)).new_page()
    page.goto(cast["web"].path)
    with held(lab_host):
        expect(badge(page)).to_have_text("was running", timeout=40_000)
        page.get_by_role("button", name="Power of").click()
        expect(page.locator("#vm-menu")).to_contain_text("is not answering. What you ask for is refused, or waits")
        look(page, "silent-menu")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Power of").click()
        page.locator("#vm-menu").get_by_role("button", name="Pause", exact=True).click()
        expect(page.get_by_text("Nothing can be asked of it until it does.")).to_be_visible()
        renewed(page)
        look(page, "silent-refused")
        page.get_by_role("button", name="Do it when the host answers").click()
        expect(page.get_by_text("“Pause” waits until")).to_be_visible()
        look(page, "silent-waits")
        page.goto("/vms/?q=web")
        expect(page.get_by_text("“Pause” waits")).to_be_visible()
        look(page, "silent-list")
    expect(state_in_row(page, cast["web"])).to_have_text("paused", timeout=60_000)
