"""Somebody changes a VM's memory and a disk's cache on its page, takes a disk out and attaches it again, and finds all
that in the host's definition."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import libvirt
import pytest
from lxml import etree
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, NewContext
from tests.browser.pages import live
from tests.browser.stage import Stage
from tests.data.shapes import MACHINE, TPM, UUID
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import folder_pool


@pytest.fixture
def identity(lab_host: LabHost) -> Iterator[str]:
    """A machine of its own, off."""
    own = str(uuid.uuid4())
    with folder_pool(lab_host) as pool:
        for name in ("first", "second"):
            pool.make(name, 1 << 20)
        text = MACHINE.replace("POOL", pool.name).replace(TPM, "").replace(UUID, own)
        connection = lab_host.connect()
        domain = connection.defineXML(text)
        yield own
        domain.undefine()
        connection.close()


def applied(page: Page, words: str) -> None:
    """What changes is told before it is done; then the form is there again."""
    expect(page.locator("#you-get")).to_contain_text(words)
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#you-get")).to_contain_text("Nothing yet", timeout=30_000)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["desk", "telephone"])
def test_a_change_of_the_form_is_one_of_the_definition(
    identity: str, size: dict[str, int], stage: Stage, lab_host: LabHost, new_browser: NewContext
) -> None:
    page = new_browser(viewport=size).new_page()
    vm = stage.dashboard.vm(identity)
    # A pool that has just been made is listed a moment after its VM.
    used = "select 1 from vms_volume_vms where virtualmachine_id = ?"
    eventually(lambda: len(stage.dashboard.query(used, vm)) == 2, "whose its disks are is known", within=90)
    page.goto(f"/vms/{vm}/hardware/")
    live(page)
    page.locator("#parts").get_by_role("link", name="Memory", exact=False).first.click()
    page.get_by_role("spinbutton", name="Memory", exact=True).fill("128")
    applied(page, "Memory: 64 MiB → 128 MiB")
    if size is NARROW:
        page.get_by_role("link", name="All parts").click()
    page.locator("#parts").get_by_role("link", name="Disk vda").click()
    page.get_by_label("Cache").select_option("none")
    applied(page, "Cache: libvirt's own choice → none")
    if size is NARROW:
        page.get_by_role("link", name="All parts").click()
    page.locator("#parts").get_by_role("link", name="Disk vdb").click()
    page.get_by_role("link", name="Take it out…").click()
    page.get_by_role("button", name="Take it out").click()
    left = page.locator("#parts").get_by_role("region", name="Not attached")
    expect(left).to_contain_text("second", timeout=30_000)
    left.get_by_role("button", name="Attach again: second").click()
    expect(page.locator("#parts").get_by_role("link", name="Disk vdb")).to_be_visible(timeout=30_000)
    expect(left).to_have_count(0)
    domain = lab_host.connect().lookupByUUIDString(identity)
    found = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    assert found.findtext("memory") == found.findtext("currentMemory") == "131072"
    assert found.xpath("devices/disk[target/@dev='vda']/driver/@cache") == ["none"]
    assert found.xpath("devices/disk[source/@volume='second']/target/@bus") == ["virtio"]
