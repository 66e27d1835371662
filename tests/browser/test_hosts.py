"""A second, real machine over ssh: added by hand with key and fingerprint, gone and back, and with a new key."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NARROW, PICTURES, Figures, NewContext
from tests.browser.pages import stays
from tests.lab.doors import Doors
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually, printed
from tests.lab.stack import Dashboard
from vms.demo.guest import Guest

NAME = "lab-b"


@pytest.fixture(scope="module")
def far() -> Iterator[LabHost]:
    host = LabHost(NAME, doors=True)
    yield host
    host.stop()


@pytest.fixture(scope="module")
def doors(far: LabHost) -> Doors:
    assert far.doors
    return far.doors


@pytest.fixture(scope="module")
def faraway(far: LabHost, guest_files: Guest) -> Iterator[LabGuest]:
    """A VM that runs there."""
    guests = Guests(far, guest_files)
    guest = guests.make("faraway")
    guest.domain.create()
    yield guest
    guests.remove_all()


@pytest.fixture(autouse=True)
def one_host_after(running: Dashboard, far: LabHost) -> Iterator[None]:
    """The next test adds it anew."""
    yield
    for host in running.get("/hosts")["items"]:
        if host["name"] == NAME:
            path = f"/api/v1/hosts/{host['id']}"
            eventually(partial(removed, running, path), "the second host is removed")


def removed(running: Dashboard, path: str) -> bool:
    return running.request("DELETE", path).status in (204, 404)


def shown_there(doors: Doors) -> str:
    """What the machine itself prints when somebody compares."""
    return printed("ssh-keygen", "-lf", str(doors.folder / "host_key.pub")).split()[1]


def follow(far: LabHost, doors: Doors, command: str) -> None:
    """What a person does with the line of step 1, on the machine."""
    far.run("env", "HOME=/run/lab/home", "sh", "-c", f"mkdir -p /run/lab/home; {command}")
    doors.authorize((doors.folder / "home/.ssh/authorized_keys").read_text())


def add(running: Dashboard, far: LabHost, doors: Doors) -> int:
    """The same without a browser; its number once it answers."""
    host = running.post("/hosts", {"name": NAME, "transport": "ssh", "host": doors.address}).body
    doors.authorize(f"restrict,port-forwarding {host['public_key']}")
    running.await_operation(running.post(f"/hosts/{host['id']}/test").body["operation"]["id"], "failed")
    running.post(f"/hosts/{host['id']}/accept-key", {"fingerprint": shown_there(doors)})

    def answers() -> int:
        return next(
            (one["id"] for one in running.get("/hosts")["items"] if one["name"] == NAME and one["answering"]), 0
        )

    return eventually(answers, "the second host answers")


def step(page: Page, number: int) -> Locator:
    return page.locator(".host-steps > li").nth(number - 1)


def picture(page: Page, name: str, figures: Figures) -> None:
    """In both themes and sizes, since no scene can show this."""
    wide = page.viewport_size
    assert wide
    for width, height in ((wide["width"], wide["height"]), (NARROW["width"], NARROW["height"])):
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            path = PICTURES / f"{name}-{width}-{theme}.png"
            page.screenshot(path=path, animations="disabled", full_page=True)
            figures.pictures += 1
    page.set_viewport_size(wide)


def test_it_is_added_by_hand_and_its_vms_appear(
    page: Page, far: LabHost, doors: Doors, faraway: LabGuest, figures: Figures
) -> None:
    page.goto("/hosts/")
    page.get_by_role("button", name="More for").click()
    page.get_by_role("link", name="Add another host").click()
    page.get_by_label("Address", exact=True).fill(doors.address)
    page.get_by_label("Name", exact=True).fill(NAME)
    page.get_by_role("button", name="Add host").click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    with stays(page):
        # The machine's key comes by itself, to be compared with what the machine prints.
        expect(step(page, 2).get_by_text("SHA256:")).to_have_text(shown_there(doors))
        picture(page, "host-compare", figures)
    step(page, 2).get_by_role("button", name="accept it").click()
    # Nobody has run the line yet, and that is what it says.
    expect(step(page, 1)).to_have_class("is-failed")
    expect(step(page, 1)).to_contain_text("does not take the dashboard's key for root")
    expect(step(page, 2)).to_have_class("is-done")
    picture(page, "host-key-refused", figures)
    follow(far, doors, step(page, 1).locator("code").first.inner_text())
    page.get_by_role("button", name="Test").click()
    expect(page.locator(".host-steps")).to_have_count(0)
    expect(page.locator(".head .sub").first).to_contain_text("answers")
    expect(page.get_by_role("link", name="faraway", exact=True)).to_be_visible()
    picture(page, "host-added", figures)
    page.goto("/vms/?q=faraway")
    expect(page.locator("tbody tr .host")).to_have_text(NAME)
    expect(page.locator("tbody tr .state [data-glow]")).to_have_text("running")


def test_a_machine_with_another_key_is_not_spoken_to_until_somebody_compares(
    page: Page, running: Dashboard, far: LabHost, doors: Doors, figures: Figures
) -> None:
    pk = add(running, far, doors)
    old = shown_there(doors)
    page.goto(f"/hosts/{pk}/")
    expect(page.locator(".head .sub").first).to_contain_text("answers")
    with stays(page):
        doors.renew_host_key()
        far.restart_libvirtd()
        loud = page.get_by_role("region", name="shows another key")
        expect(loud).to_be_visible(timeout=40_000)
        expect(loud).to_contain_text(old)
    running.await_operation(running.post(f"/hosts/{pk}/test").body["operation"]["id"], "failed")
    expect(loud).to_contain_text(shown_there(doors))
    picture(page, "host-changed", figures)
    loud.get_by_role("textbox").fill(old)
    loud.get_by_role("button", name="Accept the new key").click()
    expect(page.get_by_text("That is not the fingerprint")).to_be_visible()
    loud.get_by_role("textbox").fill(shown_there(doors))
    loud.get_by_role("button", name="Accept the new key").click()
    expect(page.locator(".head .sub").first).to_contain_text("answers", timeout=40_000)
    assert running.get(f"/hosts/{pk}")["host_key"] == shown_there(doors)


def test_it_is_left_alone_taken_up_removed_and_comes_back(
    running: Dashboard, far: LabHost, doors: Doors, faraway: LabGuest, new_browser: NewContext
) -> None:
    pk = add(running, far, doors)
    page = new_browser(says=("404",)).new_page()  # which looks at the host once more before it goes to the list
    vm = running.vm(faraway.uuid)
    watching = new_browser(says=("404",)).new_page()
    watching.goto("/vms/?q=faraway")
    row = watching.locator("tbody tr")
    expect(row.locator(".state [data-glow]")).to_have_text("running")
    page.goto(f"/hosts/{pk}/")
    page.get_by_role("button", name=f"More for {NAME}").click()
    page.get_by_role("button", name="Leave it alone").click()
    expect(page.get_by_text("The dashboard does not connect to this host.")).to_be_visible()
    expect(row).to_contain_text("was running")
    expect(row).to_contain_text("left alone")
    page.get_by_role("button", name="Take it up again").first.click()
    expect(row.locator(".state [data-glow]")).to_have_text("running")
    page.get_by_role("button", name=f"More for {NAME}").click()
    page.get_by_role("button", name="Remove").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("1 VM runs on.")
    question.get_by_role("button", name=f"Remove {NAME}").click()
    expect(page.get_by_text(f"{NAME} is no longer in the dashboard.")).to_be_visible()
    expect(row).to_have_count(0)
    assert faraway.is_running()
    assert add(running, far, doors) == pk
    assert running.vm(faraway.uuid) == vm
