"""Charts: seen more closely where one drags, the same as a file, and small ones in the list and on a VM's page."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.charted import charted
from tests.browser.conftest import PICTURES, NewContext
from tests.browser.stage import Stage
from tests.browser.test_wall import HIDDEN


def test_a_part_is_seen_more_closely_and_all_of_it_again(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.goto(f"/vms/{vm}/metrics/")
    said = page.locator("[data-charts-said]")
    expect(said).to_have_text("One point stands for 12 s.")
    expect(page.locator(".chart .u-legend").first).to_contain_text("%")
    over = page.locator(".chart .u-over").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 60, steps=4)
    with page.expect_response(lambda response: "/metrics?from=" in response.url):
        page.mouse.up()
    expect(said).to_have_text("One point stands for 5 s.")
    page.get_by_role("button", name="Show all of it").click()
    expect(said).to_have_text("One point stands for 12 s.")
    expect(page.get_by_role("button", name="Show all of it")).to_be_hidden()
    # Below stands what was at the crosshair: where the gap begins nothing, after it something.
    legend = page.locator(".chart .u-legend").first
    for place, told in ((0.36, False), (0.7, True)):
        page.mouse.move(box["x"] + place * box["width"], box["y"] + 40)
        expect(legend.locator(".u-series").nth(1)).to_contain_text("%" if told else "–")
    page.get_by_role("navigation", name="What of each step").get_by_role("link", name="Highest").click()
    expect(said).to_have_text("One point is the highest of 12 s.")


def test_in_a_hidden_tab_nothing_is_asked_for(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.clock.install()
    page.add_init_script(HIDDEN)
    asked: list[str] = []
    numbers = ("/metrics?", "/events?", "/sparks?", "/numbers?", "/screens?")
    page.on("request", lambda request: asked.append(request.url) if any(n in request.url for n in numbers) else None)
    for path in (f"/vms/{vm}/metrics/", f"/vms/{vm}/", "/vms/"):
        page.goto(path)
        page.clock.run_for(61_000)
        assert asked, path
        page.evaluate("document.documentElement.setAttribute('data-away', '')")
        page.clock.run_for(1000)
        page.wait_for_timeout(500)
        asked.clear()
        page.clock.run_for(130_000)
        page.wait_for_timeout(500)
        assert asked == [], path


def test_by_keyboard_and_what_happened_is_marked_and_listed(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.goto(f"/vms/{vm}/metrics/")
    happened = page.locator("[data-happened]")
    expect(happened).to_contain_text("stoic is paused")
    closer = page.get_by_role("button", name="Closer")
    closer.focus()
    page.keyboard.press("Enter")
    # The middle half hour, in which it was paused; then the quarter of an hour before, in which it was not.
    expect(page.locator("[data-charts-said]")).to_have_text("One point stands for 6 s.")
    expect(happened).to_contain_text("stoic is paused")
    page.get_by_role("button", name="Earlier").click()
    expect(happened).not_to_contain_text("stoic is paused")
    page.get_by_role("button", name="Wider").click()
    expect(page.locator("[data-charts-said]")).to_have_text("One point stands for 60 s.")


def test_ticked_vms_are_drawn_over_each_other(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.goto("/vms/?sort=-name")
    compare = page.locator("[data-bulk] a.btn[data-beside]")
    page.locator(f"#vm-{vm} input[type=checkbox]").check()
    expect(compare).to_be_hidden()
    other = page.locator(f"tbody tr[data-vm]:not(#vm-{vm})").first
    name = other.locator(".row-link").inner_text().strip()
    other.locator("input[type=checkbox]").check()
    compare.click()
    legend = page.locator(".chart .u-legend").first
    expect(legend).to_contain_text("stoic")
    expect(legend).to_contain_text(name)
    page.get_by_role("link", name=f"Leave {name} out").click()
    expect(legend).to_contain_text("stoic")
    expect(legend).not_to_contain_text(name)


def test_the_same_as_a_file(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.goto(f"/vms/{vm}/metrics/")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()
    assert downloading.value.suggested_filename == f"vm-{vm}-hour.csv"
    head, *lines = csv.reader(Path(downloading.value.path()).read_text().splitlines())
    assert head[:3] == ["time", "cpu (percent)", "steal (percent)"]
    assert len(lines) > 100 and lines[0][0].endswith("Z") and 0 <= float(lines[0][1]) <= 100


def test_a_row_of_the_list_has_its_last_hour(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.goto("/vms/?q=stoic")
    cell = page.locator(f"#vm-{vm} td.cpu")
    expect(cell).to_have_css("background-image", re.compile("^url"))
    page.screenshot(path=PICTURES / "list-sparks.png")


def test_a_vms_page_has_its_last_hour_beside_each_number(stage: Stage, new_browser: NewContext) -> None:
    vm = charted(stage)
    page = new_browser().new_page()
    page.goto(f"/vms/{vm}/")
    for name in ("cpu", "memory", "disk_read,disk_write", "net_in,net_out"):
        expect(page.locator(f"[data-hour='{name}']")).to_have_css("background-image", re.compile(r"^url.*d%3D%22M.*M"))
    page.screenshot(path=PICTURES / "vm-hours.png")
