"""Somebody with an account and no right: pages that are whole and calm, and show nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.cast import Cast
from tests.browser.conftest import MALLORY, NewContext
from tests.browser.pages import connected
from tests.lab.stack import Dashboard


@pytest.mark.parametrize("path", ["/", "/vms/", "/vms/?q=web", "/vms/?state=running", "/hosts/", "/activity/"])
def test_no_vm_is_on_any_page(path: str, new_browser: NewContext, cast: Cast) -> None:
    page = new_browser(MALLORY).new_page()
    page.goto(path)
    for name in cast.players:
        expect(page.get_by_text(name, exact=True)).to_have_count(0)
    assert "/vms/1/" not in page.content()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(
        ["Overview", "VMs", "Activity"]
    )
    expect(page.get_by_role("button", name=f"Account: {MALLORY}")).to_be_visible()
    expect(page.locator(".message")).to_have_count(0)


@pytest.mark.parametrize("rest", ["", "console/", "xml/", "activity/", "force-off/"])
def test_a_vms_address_leads_to_the_page_for_nothing(rest: str, new_browser: NewContext, cast: Cast) -> None:
    page = new_browser(MALLORY, says=("404",)).new_page()
    for path in (cast["web"].path + rest, f"/vms/999999/{rest}"):
        answer = page.goto(path)
        assert answer and answer.status == 404
        expect(page.get_by_role("heading")).to_have_text("There is nothing here")
    assert "web" not in page.content().replace("kvmweb", "")


def test_what_happens_to_others_vms_is_not_told(new_browser: NewContext, cast: Cast) -> None:
    page = new_browser(MALLORY).new_page()
    told: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda message: told.append(message)))
    page.goto("/vms/")
    expect(page.locator("html[data-hears]")).to_be_attached()
    other = new_browser().new_page()
    other.goto(cast["web"].path)
    cast.is_on("web")
    for verb, state in (("suspend", "paused"), ("resume", "running")):
        cast.guests.host.virsh(verb, "web")
        expect(other.locator("#vm-header")).to_have_attribute("data-state", state)
    assert not told


RIGHTS = "from vms.models import Grant, Role, User; mallory = User.objects.get(username='mallory'); "
GIVE = RIGHTS + "Grant.objects.create(user=mallory, role=Role.objects.get(name='{role}'), vm_id={vm})"
TAKE = RIGHTS + "Grant.objects.filter(user=mallory).delete()"


@pytest.mark.parametrize("rest", ["", "xml/", "console/"])
def test_a_right_that_is_taken_away_is_gone_from_the_open_page(
    rest: str, new_browser: NewContext, cast: Cast, running: Dashboard
) -> None:
    # What is asked for in the very moment may be refused in one way or the other.
    page = new_browser(MALLORY, says=("404", "403", "WebSocket")).new_page()
    try:
        running.do(GIVE.format(role="editor", vm=cast["web"].pk))
        page.goto(cast["web"].path + rest)
        expect(page.get_by_role("heading", name="web")).to_be_visible()
        expect(page.locator("html[data-hears]")).to_be_attached()
        if rest == "console/":
            connected(page)
    finally:
        running.do(TAKE)
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible(timeout=20_000)
