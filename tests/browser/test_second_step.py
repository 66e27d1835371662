"""Somebody sets the second step up with an app, signs in with it, and an administrator takes it away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import axe
from tests.browser.conftest import NARROW, PICTURES, WIDE, NewContext, sign_in
from tests.browser.stage import Stage
from vms.services import factors

PASSWORD = "staple battery horse"
MADE = f"""
from allauth.mfa.models import Authenticator
from vms.models import User
user, _ = User.objects.get_or_create(username='second')
user.set_password({PASSWORD!r})
user.save()
Authenticator.objects.filter(user=user).delete()
"""


@pytest.fixture
def number(stage: Stage) -> int:
    """Of an account without a second step."""
    stage.dashboard.do(MADE)
    [[pk]] = stage.dashboard.query("select id from vms_user where username = 'second'")
    return int(pk)


def in_order(page: Page, name: str) -> list[str]:
    """What axe finds on the page in both shapes; with pictures of it."""
    faults = []
    for size in (WIDE, NARROW):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=PICTURES / f"{name}-{size['width']}-{theme}.png")
            if size is WIDE or theme == "dark":
                faults += axe(page)
    return faults


def test_an_app_makes_codes_that_let_in(number: int, new_browser: NewContext) -> None:
    page = new_browser(None, reduced_motion="reduce").new_page()
    sign_in(page, "second", PASSWORD)
    page.get_by_role("button", name="Account: second").click()
    page.get_by_role("link", name="Your account").click()
    page.get_by_role("link", name="Two-step sign-in").click()
    page.get_by_role("link", name="Set it up").click()
    picture = page.get_by_role("img", name="The same as the letters below")
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth > 0)")
    secret = page.locator(".copyable code").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(factors.code_of(secret, factors.this_interval()))
    page.keyboard.press("Enter")
    codes = page.locator("#recovery-codes").inner_text().split()
    assert len(codes) == 10
    faults = in_order(page, "recovery-codes")
    page.get_by_role("link", name="I have them").click()
    expect(page.get_by_text("10 recovery codes are left")).to_be_visible()
    faults += in_order(page, "two-step-on")

    other = new_browser(None, reduced_motion="reduce").new_page()
    sign_in(other, "second", PASSWORD)
    expect(other.get_by_role("heading", name="The second step")).to_be_visible()
    faults += in_order(other, "second-step")
    other.get_by_label("Code").fill("000000")
    other.keyboard.press("Enter")
    expect(other.locator(".field-error")).to_contain_text("opens nothing")
    other.get_by_label("Code").fill(codes[0])
    other.keyboard.press("Enter")
    expect(other.get_by_role("button", name="Account: second")).to_be_visible()

    boss = new_browser().new_page()
    boss.goto(f"/users/{number}/")
    boss.get_by_role("button", name="More for second").click()
    boss.get_by_role("button", name="Take away the second step").click()
    expect(boss.locator("#user")).to_contain_text("Two-step sign-inoff")
    again = new_browser(None).new_page()
    sign_in(again, "second", PASSWORD)
    expect(again.get_by_role("button", name="Account: second")).to_be_visible()
    assert not faults, "\n".join(faults)
