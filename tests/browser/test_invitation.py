"""Somebody is added, gets a link, chooses a password with it, and is thrown out again."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.pages import live
from tests.browser.stage import Stage

PASSWORD = "staple battery horse"


def test_a_link_leads_in_and_an_administrator_leads_out(stage: Stage, new_browser: NewContext) -> None:
    stage.dashboard.do("from vms.models import User\nUser.objects.filter(username='newcomer').delete()")
    boss = new_browser().new_page()
    boss.goto("/users/")
    boss.get_by_role("link", name="Add", exact=True).click()
    boss.get_by_label("Name", exact=True).fill("newcomer")
    boss.keyboard.press("Enter")
    link = boss.locator(".command code").inner_text()

    page = new_browser(None).new_page()
    page.goto(link)
    expect(page).to_have_url(link.partition("#")[0])
    for name in ("password1", "password2"):
        page.locator(f"[name={name}]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Account: newcomer")).to_be_visible()
    live(page)

    boss.get_by_role("link", name="To newcomer").click()
    expect(boss.locator("#user")).to_contain_text("signed in")
    boss.get_by_role("button", name="More for newcomer").click()
    boss.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(boss.locator("#user")).to_contain_text("Nowhere.")

    again = new_browser(None).new_page()
    again.goto(link)
    for name in ("password1", "password2"):
        again.locator(f"[name={name}]").fill(PASSWORD)
    again.keyboard.press("Enter")
    expect(again.get_by_role("alert")).to_contain_text("This link opens nothing")
