"""A VM from a form that lacks what it needs: an image is fetched, a pool added, a network started meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import PICTURES, NewContext
from tests.browser.pages import stays
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import pool_of
from tests.lab.stack import Dashboard
from tests.lab.test_create import in_turn
from tests.lab.test_images import DISK
from tests.webserver import WebServer, body

NAME = "in-place"
NETWORK = "stopped"


@pytest.fixture
def network(lab_host: LabHost) -> Iterator[None]:
    """A private network that is off, and libvirt's own filters, which a stock host has and the lab's has not."""
    connection = lab_host.connect()
    made = connection.networkDefineXML(
        f"<network><name>{NETWORK}</name><ip address='10.97.0.1' prefix='24'/></network>"
    )
    texts = [path.read_text() for path in sorted(Path("/etc/libvirt/nwfilter").glob("*.xml"))]
    filters = [connection.nwfilterDefineXML(text) for text in in_turn(connection, texts)]
    yield
    with suppress(libvirt.libvirtError):
        made.destroy()
    made.undefine()
    for each in reversed(filters):
        each.undefine()
    connection.close()


@pytest.fixture
def pool(running: Dashboard, lab_host: LabHost, network: None) -> Iterator[LabPool]:
    """A pool to fetch into; what is made here goes with it."""
    with folder_pool(lab_host) as made:
        pool_of(running, made)
        yield made
        connection = lab_host.connect()
        for domain in connection.listAllDomains():
            if domain.name() == NAME:
                domain.undefine()
        for added in connection.listAllStoragePools():
            if added.name() == "added":
                added.destroy()
                added.undefine()
        connection.close()


def chosen(page: Page, name: str) -> str:
    text: Any = page.locator(f"select[name={name}]").evaluate("(select) => select.selectedOptions[0].textContent")
    return str(text)


def test_what_is_missing_is_added_while_the_form_waits(
    new_browser: NewContext, running: Dashboard, lab_host: LabHost, pool: LabPool, mirror: WebServer
) -> None:
    page = new_browser(says=("Failed to load resource",)).new_page()
    mirror.pages["/in-place.raw"] = body(DISK)
    eventually(lambda: NETWORK in str(running.get("/networks?page_size=200")), "the network is known")
    page.goto("/vms/new/?source=empty")
    dialog = page.locator("#dialog")
    with stays(page):
        page.locator("[name=source][value=image]").check()
        page.locator("[name=size][value=own]").check()
        for name, text in {"name": NAME, "cpus": "1", "memory": "64", "disk": "1"}.items():
            page.locator(f".making input[name={name}]").fill(text)
        page.get_by_role("button", name="Add an image").click()
        expect(dialog.get_by_role("heading", name="Official images")).to_be_visible()
        page.screenshot(path=PICTURES / "adding-image.png")
        dialog.get_by_label("Address", exact=True).fill("http://example.org:1/")
        dialog.get_by_role("button", name="Fetch it").click()
        expect(dialog.locator(".field-error")).to_be_visible()
        expect(dialog.get_by_label("Address", exact=True)).to_have_value("http://example.org:1/")
        dialog.get_by_label("Address", exact=True).fill(mirror.url("/in-place.raw"))
        into = dialog.locator("select[name=pool]").first
        if into.count():
            into.select_option(label=pool.name)
        dialog.get_by_role("button", name="Fetch it").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#adding")).to_contain_text("in-place.raw is there, and chosen.")
        assert chosen(page, "image") == "in-place.raw"

        page.get_by_text("Where:").click()
        page.get_by_role("button", name="Add a storage pool").click()
        dialog.get_by_label("Name").fill("added")
        dialog.get_by_label("Folder").fill(f"{pool.path}-added")
        page.screenshot(path=PICTURES / "adding-pool.png")
        dialog.get_by_role("button", name="Add and start").click()
        expect(page.locator("#adding")).to_contain_text("added is there, and chosen.")
        assert chosen(page, "pool") == "added"

        page.locator("select[name=network]").select_option(label=NETWORK)
        box = page.locator("#you-get")
        expect(box).to_contain_text("This network is stopped.")
        page.screenshot(path=PICTURES / "adding-network-stopped.png", full_page=True)
        box.get_by_role("button", name=f"Start the network {NETWORK}").click()
        expect(box).to_contain_text(f"{NAME} on ")
        expect(box.locator(".stopped")).to_have_count(0)
        expect(page.locator("#fold-where")).to_contain_text(f"pool added · network {NETWORK}")
        page.screenshot(path=PICTURES / "adding-all-there.png", full_page=True)
    assert lab_host.connect().networkLookupByName(NETWORK).isActive()

    asked: list[str] = []

    def stay(question: Dialog) -> None:
        asked.append(question.type)
        question.dismiss()

    page.on("dialog", stay)
    with page.expect_event("dialog"):
        page.get_by_role("link", name="Overview").first.click(no_wait_after=True)
    assert asked == ["beforeunload"]
    expect(page).to_have_url(re.compile("/vms/new/"))
    page.get_by_role("button", name="Create only").click()
    expect(page).to_have_url(re.compile(r"/vms/\d+/$"))
    assert asked == ["beforeunload"]
    vm = int(page.url.split("/vms/")[1].split("/")[0])
    # A watcher that was busy sees it with its next sweep.
    expect(page.locator("#vm-header .sub .state")).to_have_text("shut off", timeout=90_000)
    document = etree.fromstring(lab_host.virsh("dumpxml", NAME))
    assert document.xpath("string(devices/interface/source/@network)") == NETWORK
    assert document.xpath("string(devices/disk/source/@pool)") == "added"
    assert (document.findtext("vcpu"), document.findtext("memory")) == ("1", str(64 << 10))
    disk = lab_host.images / f"{pool.name}-added" / str(document.xpath("string(devices/disk/source/@volume)"))
    assert disk.read_bytes()[: len(DISK)] == DISK
    gone = running.post(f"/vms/{vm}/delete", {"volumes": "all", "confirm": NAME, "trash": False})
    running.await_operation(gone.body["operation"]["id"], "succeeded", within=60)
