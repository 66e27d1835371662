"""An open Access tab follows what others give and take, also beyond its VM, and keeps what is being typed."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.cast import Cast
from tests.browser.conftest import NewContext
from tests.browser.pages import live, stays


def test_a_grant_on_a_name_shows_on_the_open_tab_and_goes(cast: Cast, new_browser: NewContext) -> None:
    page = new_browser().new_page()
    page.goto(f"{cast['web'].path}access/?user=mallory&verb=vm.view")
    live(page)
    lines, answer = page.locator("#vm-access"), page.locator("#why-answer")
    expect(answer).to_contain_text("mallory may not: nothing gives it.")
    page.locator("#id_to").fill("half a na")
    with stays(page):
        other = page.context.new_page()
        other.goto("/grants/?kind=user&to=mallory")
        other.get_by_label("On", exact=True).select_option("name")
        other.get_by_label("Called").fill("we*")
        other.get_by_role("button", name="Give access").click()
        expect(other.locator("#grants")).to_contain_text("VMs called we*")
        expect(lines).to_contain_text("VMs called we*")
        expect(answer).to_contain_text("mallory may: viewer on VMs called we*")
        other.get_by_role("link", name="Take away from mallory").click()
        other.get_by_role("button", name="Take away").click()
        expect(lines).not_to_contain_text("we*")
        expect(answer).to_contain_text("mallory may not")
        expect(page.locator("#id_to")).to_have_value("half a na")
