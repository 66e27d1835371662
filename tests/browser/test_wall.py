"""The wall of screens asks for what is in view while somebody looks, and leads to consoles by keyboard."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Request, expect

from tests.browser.conftest import NewContext
from tests.browser.stage import Stage

HIDDEN = "Object.defineProperty(document, 'hidden', {get: () => document.documentElement.hasAttribute('data-away')})"


def test_only_what_is_in_view_is_asked_for_and_nothing_in_a_hidden_tab(stage: Stage, new_browser: NewContext) -> None:
    shown = [stage.runs(name).pk for name in ("stoic", "web")]
    page = new_browser(viewport={"width": 375, "height": 500}).new_page()
    page.add_init_script(HIDDEN)
    asked: list[set[int]] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).path == "/vms/screens":
            asked.append({int(pk) for pk in parse_qs(urlsplit(request.url).query)["ids"][0].split(",")})

    page.on("request", note)
    page.goto("/vms/?as=wall&state=running")
    expect(page.locator("[data-screen][data-version] img").first).to_be_visible(timeout=20_000)
    last = int(page.locator("[data-screen]").last.get_attribute("data-screen") or 0)
    assert last in shown and not any(last in ids for ids in asked)
    page.locator("[data-screen]").last.scroll_into_view_if_needed()
    expect(page.locator("[data-screen]").last).to_have_attribute("data-version", re.compile("."), timeout=20_000)
    assert any(last in ids for ids in asked)
    page.evaluate("document.documentElement.setAttribute('data-away', '')")
    page.wait_for_timeout(500)
    before = len(asked)
    page.wait_for_timeout(5000)
    assert len(asked) == before


def test_it_is_chosen_and_used_by_keyboard(stage: Stage, new_browser: NewContext) -> None:
    player = stage.runs("stoic")
    page = new_browser().new_page()
    page.goto(f"/vms/?q={player.name}")
    page.get_by_role("link", name="Screens", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("as=wall"))
    console = page.get_by_role("link", name=f"Console of {player.name}")
    console.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/vms/{player.pk}/console/"))
