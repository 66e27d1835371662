"""Somebody works in a VM's screen while it goes to another host."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PICTURES
from tests.browser.pages import connected, type_line
from tests.lab.machine import LabHost, eventually
from tests.lab.moves import paired
from tests.lab.stack import Dashboard
from vms.demo.guest import Guest

# What the console's page goes through, and with which words.
NOTE = """() => {
  const console = document.querySelector("[data-console]");
  window.through = [];
  new MutationObserver(() => {
    const said = document.querySelector("[data-say]").textContent.trim().replace(/\\s+/g, " ");
    window.through.push([console.dataset.link, said, document.querySelector("#console-card").innerText]);
  }).observe(console, { attributes: true, attributeFilter: ["data-link"] });
}"""

IS_BACK = "() => window.through.at(-1)?.[0] === 'connected'"


@pytest.mark.long
def test_its_open_screen_is_found_again_on_the_other_host(
    page: Page, running: Dashboard, lab_host: LabHost, guest_files: Guest
) -> None:
    with paired(running, lab_host, guest_files) as pair:
        guest = pair.guests.make("roaming", start=True)
        vm = running.vm(guest.uuid)
        running.await_state(vm, "running")
        page.goto(f"/vms/{vm}/console/")
        connected(page, within=60)
        page.locator("[data-screen] canvas").click()
        type_line(page, "echo before-$((6*7)) > /dev/ttyS0")
        guest.wait_for_line("before-42")
        page.evaluate(NOTE)
        pair.moved(vm, pair.there)
        eventually(lambda: page.evaluate(IS_BACK), "its screen is found again", within=60)
        through = page.evaluate("window.through")
        assert "retrying" in [link for link, *_ in through], through
        assert "The VM closed its screen. Looking for it again" in str(through), through
        connected(page)
        assert pair.runs(guest) == ["lab-b"] and pair.defined(guest) == ["lab-b"]
        page.locator("[data-screen] canvas").click()
        type_line(page, "echo after-$((6*7)) > /dev/ttyS0")
        guest.wait_for_line("after-42")
        expect(page.locator("#vm-header")).to_contain_text("lab-b")
        page.screenshot(path=PICTURES / "console-after-a-move.png")
        # It is taken away where it is now.
        guest.host = pair.there
        guest.remove()
