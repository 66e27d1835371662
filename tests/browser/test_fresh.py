"""A browser that was left open: the password is asked for, and what was typed before is not lost."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewContext, sign_in
from tests.browser.pages import live
from tests.browser.test_ending import key
from tests.lab.stack import ADMIN, Dashboard

AGE = """
from django.contrib.sessions.backends.db import SessionStore
session = SessionStore("{key}")
for record in session["account_authentication_methods"]:
    record["at"] -= 2 * 86400
session.save()
"""


@pytest.fixture
def mine(running: Dashboard, new_browser: NewContext) -> Page:
    """A page with a session of its own."""
    page = new_browser(None, says=("403",)).new_page()
    sign_in(page, ADMIN, running.password)
    page.wait_for_url(running.url + "/")
    return page


def confirm(page: Any, password: str) -> None:
    expect(page.get_by_role("heading", name="Your password once more")).to_be_visible()
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Confirm").click()


def test_what_was_sent_too_late_is_sent_again_by_the_browser(mine: Page, running: Dashboard) -> None:
    mine.goto("/hosts/add/")
    mine.get_by_label("Address", exact=True).fill("root@kvm2:22")
    running.do(AGE.format(key=key(mine)))
    mine.get_by_role("button", name="Add host").click()
    expect(mine.get_by_role("heading", name="Your password once more")).to_be_visible()
    with mine.expect_popup() as tab:
        mine.get_by_role("link", name="Give it in a new tab").click()
    confirm(tab.value, running.password)
    tab.value.wait_for_url(running.url + "/hosts/add/")
    tab.value.close()
    mine.reload()
    expect(mine.get_by_label("Address", exact=True)).to_have_value("root@kvm2:22")
    expect(mine.locator(".field-error").first).to_be_visible()


def test_a_question_comes_after_the_password(mine: Page, running: Dashboard) -> None:
    mine.goto("/hosts/1/")
    live(mine)
    running.do(AGE.format(key=key(mine)))
    mine.get_by_role("button", name="More for").click()
    mine.get_by_role("button", name="Remove").click()
    confirm(mine, running.password)
    mine.wait_for_url(running.url + "/hosts/1/")
    mine.get_by_role("button", name="More for").click()
    mine.get_by_role("button", name="Remove").click()
    expect(mine.get_by_role("dialog")).to_be_visible()


def test_what_is_added_at_a_form_waits_for_the_password(mine: Page, running: Dashboard) -> None:
    mine.goto("/vms/new/?source=empty")
    mine.locator("[name=name]").fill("waits")
    mine.get_by_text("Where:").click()
    add, dialog = mine.get_by_role("button", name="Add a storage pool"), mine.locator("#dialog")
    running.do(AGE.format(key=key(mine)))
    add.click()
    give(mine, dialog, running)
    dialog.get_by_role("button", name="Put away").click()
    add.click()
    dialog.get_by_label("Name").fill("late")
    running.do(AGE.format(key=key(mine)))
    dialog.get_by_role("button", name="Add and start").click()
    give(mine, dialog, running)
    # What was typed is there still.
    expect(dialog.get_by_label("Name")).to_have_value("late")
    dialog.get_by_role("button", name="Add and start").click()
    expect(dialog.locator(".field-error")).to_be_visible()
    expect(mine.locator(".making [name=name]")).to_have_value("waits")


def give(page: Page, dialog: Locator, running: Dashboard) -> None:
    """The password, in a tab of its own."""
    expect(dialog).to_contain_text("This needs your password once more.")
    with page.expect_popup() as tab:
        dialog.get_by_role("link", name="Give it in a new tab").click()
    tab.value.get_by_label("Password").fill(running.password)
    tab.value.get_by_role("button", name="Confirm").click()
    tab.value.wait_for_url("**/vms/new/*")
    tab.value.close()
