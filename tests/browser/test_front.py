"""Where somebody with a few VMs begins: with their screens, alive, and only while they are looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.cast import Cast
from tests.browser.conftest import MALLORY, NARROW, NewContext
from tests.browser.pages import live
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard

GIVE = f"""
from vms.models import Grant, Role, User
for vm in (%s):
    Grant.objects.create(user=User.objects.get(username="{MALLORY}"), role=Role.objects.get(name="operator"), vm_id=vm)
"""
TAKE = f"""
from vms.models import Grant
Grant.objects.filter(user__username="{MALLORY}").delete()
"""
OPEN = f"""
from vms.models import Console
print(Console.objects.filter(user__username="{MALLORY}", opened_at__isnull=False, closed_at=None).count())
"""
COLOURS = """canvas => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size"""


@pytest.fixture
def two(cast: Cast, running: Dashboard) -> Iterator[Cast]:
    """mallory operates one VM that runs and one that does not."""
    cast.is_on("web")
    cast.is_off("idle")
    running.do(GIVE % f"{cast['web'].pk}, {cast['idle'].pk}")
    yield cast
    running.do(TAKE)


def open_consoles(running: Dashboard) -> int:
    return int(running.do(OPEN).split()[-1])


def screen(page: Page, cast: Cast, name: str) -> str:
    return f"#screen-{cast[name].pk}"


def test_a_running_vms_screen_is_on_its_card(two: Cast, running: Dashboard, new_browser: NewContext) -> None:
    page = new_browser(MALLORY, says=("409",)).new_page()
    page.goto("/")
    live(page)
    mine = page.locator(screen(page, two, "web"))
    expect(mine).to_have_attribute("data-link", "connected", timeout=60_000)
    canvas = mine.locator("canvas")
    eventually(lambda: canvas.evaluate(COLOURS) > 1, "there is a picture")
    box, around = canvas.bounding_box(), mine.bounding_box()
    assert box and around and box["width"] <= around["width"] + 1 and box["height"] <= around["height"] + 1
    expect(page.locator(screen(page, two, "idle"))).to_have_count(0)
    page.locator(f"#card-{two['web'].pk}").get_by_role("link", name="Console").click()
    expect(page.locator("[data-console]")).to_have_attribute("data-link", "connected", timeout=60_000)


def test_it_comes_and_goes_with_the_vm_and_ends_with_the_page(
    two: Cast, running: Dashboard, new_browser: NewContext
) -> None:
    page = new_browser(MALLORY, says=("409",), viewport=NARROW, has_touch=True, is_mobile=True).new_page()
    page.goto("/")
    live(page)
    card = page.locator(f"#card-{two['idle'].pk}")
    card.get_by_role("button", name="Start").tap()
    expect(page.locator(screen(page, two, "idle"))).to_be_visible(timeout=60_000)
    page.locator(screen(page, two, "idle")).scroll_into_view_if_needed()
    expect(page.locator(screen(page, two, "idle"))).to_have_attribute("data-link", "connected", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    two.is_off("idle")
    expect(page.locator(screen(page, two, "idle"))).to_have_count(0)
    page.goto("about:blank")
    eventually(lambda: open_consoles(running) == 0, "nobody looks any more")
