"""In at the door, and what is said to who has the wrong key."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import NewContext, sign_in
from tests.lab.stack import ADMIN, Dashboard


def test_the_right_password_leads_to_the_page_that_was_asked_for(running: Dashboard, new_browser: NewContext) -> None:
    page = new_browser(None).new_page()
    page.goto("/vms/")
    expect(page).to_have_url(f"{running.url}/accounts/login/?next=/vms/")
    page.get_by_label("Name").fill(ADMIN)
    page.get_by_label("Password").fill(running.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{running.url}/vms/")
    expect(page.get_by_role("heading", name="Virtual machines")).to_be_visible()


def test_a_wrong_password_is_said_and_the_name_stays(new_browser: NewContext) -> None:
    page = new_browser(None).new_page()
    sign_in(page, ADMIN, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("not correct")
    expect(page.get_by_label("Name")).to_have_value(ADMIN)
    expect(page.get_by_label("Password")).to_have_value("")


def test_signing_out_ends_in_front_of_the_door(running: Dashboard, new_browser: NewContext) -> None:
    page = new_browser(None).new_page()
    sign_in(page, ADMIN, running.password)
    page.get_by_role("button", name=f"Account: {ADMIN}").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{running.url}/accounts/login/")
    page.goto("/vms/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
