"""The screen of a VM on another machine, from "nothing to connect to" to typing in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libvirt
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import axe
from tests.browser.conftest import PICTURES, sign_in
from tests.browser.pages import connected, type_line
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import ADMIN, Dashboard
from vms.demo.guest import Guest
from vms.libvirtxml import DomainXML, let_vnc_listen


@pytest.fixture(scope="module")
def far_host() -> Iterator[LabHost]:
    machine = LabHost("lab-far", doors=True)
    yield machine
    machine.stop()


@pytest.fixture
def far_guests(far_host: LabHost, guest_files: Guest) -> Iterator[Guests]:
    factory = Guests(far_host, guest_files)
    yield factory
    factory.remove_all()


@pytest.fixture(scope="module")
def own_dashboard(lab_host: LabHost, far_host: LabHost) -> Iterator[Dashboard]:
    """A dashboard of this module's own, with the far host added over ssh."""
    stack = Dashboard(lab_host)
    try:
        stack.prepare()
        stack.start()
        add_far_host(stack, far_host)
        yield stack
    finally:
        stack.remove()


def add_far_host(stack: Dashboard, machine: LabHost) -> None:
    assert machine.doors
    wish = {"name": "far", "transport": "ssh", "host": machine.doors.address, "user": "root"}
    added = stack.post("/hosts", wish)
    assert added.status == 201, added
    path = f"/hosts/{added.body['id']}"
    machine.doors.authorize(added.body["public_key"])
    asked = stack.post(f"{path}/test")
    assert asked.status == 202, asked
    shown = eventually(lambda: stack.get(path)["offered_key"], "it shows its key", within=60)
    assert stack.post(f"{path}/accept-key", {"fingerprint": shown}).status == 200
    eventually(lambda: stack.get(path)["answering"], "the far host answers", within=60)


@pytest.fixture
def own_page(browser: Browser, own_dashboard: Dashboard) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, base_url=own_dashboard.url)
    page = context.new_page()
    sign_in(page, ADMIN, own_dashboard.password)
    page.wait_for_url(own_dashboard.url + "/")
    yield page
    page.screenshot(path=PICTURES / "remote-console.png")
    context.close()


def test_a_screen_without_port_is_let_listen_and_typed_into(
    own_page: Page, own_dashboard: Dashboard, far_guests: Guests
) -> None:
    guest = far_guests.make("far-web", start=True)
    vm = own_dashboard.vm(guest.uuid)
    own_dashboard.await_state(vm, "running")
    own_page.goto(f"/vms/{vm}/console/")
    card = own_page.locator("#console-card")
    expect(card).to_contain_text("This VM's screen has no port, and over ssh there is nothing on far to connect to.")
    own_page.screenshot(path=PICTURES / "remote-console-unreachable.png")
    assert axe(own_page) == []
    card.get_by_role("button", name="Let it listen on its host").click()
    expect(card).to_contain_text("from its next start on", timeout=60_000)
    guest.domain.destroy()
    expect(card).to_contain_text("is shut off", timeout=60_000)
    card.get_by_role("button", name="Start", exact=True).click()
    connected(own_page, within=90)
    guest.wait_for_boot(2)
    own_page.locator("[data-screen] canvas").click()
    type_line(own_page, "echo far-$((6*7)) > /dev/ttyS0")
    guest.wait_for_line("far-42")

    screen = DomainXML.parse(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)).vnc
    assert screen and screen.listens == "loopback" and screen.password
    assert re.search(r"\d", str(screen.port))
    assert screen.password not in own_page.content()
    logs = "".join(path.read_text(errors="replace") for path in (own_dashboard.state / "logs").iterdir())
    assert screen.password not in logs


def test_an_exposed_screen_is_named_and_closed(own_page: Page, own_dashboard: Dashboard, far_guests: Guests) -> None:
    guest = far_guests.make("far-open")
    document = DomainXML.parse(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    assert document.vnc
    let_vnc_listen(document, "everywhere")
    document.vnc.password = document.vnc.password_until = None
    far_guests.host.connect().defineXML(document.text)
    guest.domain.create()
    vm = own_dashboard.vm(guest.uuid)
    own_dashboard.await_state(vm, "running")
    assert own_dashboard.get(f"/vms/{vm}")["exposed"] == [{"type": "vnc", "how": ["network", "no_password"]}]

    own_page.goto("/")
    expect(own_page.locator(".needs")).to_contain_text(
        "far-open: others reach its screen, and it asks for no password."
    )
    own_page.locator(".needs").get_by_role("link", name="far-open").click()
    marked = own_page.locator(".exposed")
    expect(marked).to_contain_text("whoever reaches its port has screen, keyboard and mouse")
    own_page.screenshot(path=PICTURES / "remote-console-exposed.png")
    assert axe(own_page) == []
    file = own_page.request.get(f"/vms/{vm}/console/viewer.vv")
    screen = DomainXML.parse(guest.domain.XMLDesc()).vnc
    assert screen and f"type=vnc\nhost={far_guests.host.doors.address}\nport={screen.port}\n" in file.text()  # type: ignore[union-attr]

    marked.get_by_role("button", name="Let it listen on its host alone").click()
    expect(marked).to_contain_text("It is so from its next start on.", timeout=60_000)
    guest.domain.destroy()
    guest.domain.create()
    expect(marked).to_have_count(0, timeout=60_000)
    assert own_dashboard.get(f"/vms/{vm}")["exposed"] == []
