"""What waits for the next start, what a definition was, and writing another, on real hosts with running VMs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.lab.guests import Guests, LabGuest, domain_type
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.libvirtxml.test_pending import EDITS
from vms.libvirtxml import Change, parse, pending, serialize, settings, sure

GOLDEN = Path(__file__).parents[1] / "libvirtxml/golden"
IMAGES = "/var/lib/libvirt/images"
# What this machine's host has not: firmware, a TPM, a device for vsock, traffic shaping.
LACKING = (r"<tpm.*?</tpm>", r"<firmware>.*?</firmware>", r"<vsock>.*?</vsock>", r" firmware=.efi.", r"<smm[^>]*/>")
CORPUS = ("rich-sent", *sorted(f"virt-install/{path.stem}" for path in (GOLDEN / "virt-install").glob("*.xml")))


def fit(text: str, name: str) -> str:
    """The document as this host can start it, with little memory and files that are there."""
    for pattern in LACKING:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    text = re.sub(r"<name>.*?</name>", f"<name>{name}</name>", text, count=1)
    text = re.sub(r"<uuid>.*?</uuid>|<mac [^>]*/>", "", text)
    text = re.sub(r"<(memory|currentMemory)( unit=.\w+.)?>\d+<", r"<\1>131072<", text)
    text = text.replace('type="kvm"', f'type="{domain_type()}"').replace("host-passthrough", "maximum")
    number = iter(range(100))
    return re.sub(r"(['\"])/[^'\"]*\.(?:qcow2|iso)['\"]", lambda _: f"'{IMAGES}/run-{next(number)}.img'", text).replace(
        "type='qcow2'", "type='raw'"
    ).replace('type="qcow2"', 'type="raw"')  # fmt: skip


@pytest.fixture(scope="module")
def files(lab_host: LabHost) -> Iterator[None]:
    """Disks, and the network that the documents name."""
    made = [lab_host.images / f"run-{number}.img" for number in range(4)]
    for path in made:
        path.write_bytes(bytes(1 << 20))
    network = lab_host.connect().networkLookupByName("default")
    started = not network.isActive()
    if started:
        network.create()
    yield
    if started:
        lab_host.connect().networkLookupByName("default").destroy()
    for path in lab_host.images.glob("run-*"):
        path.unlink()


def waiting(domain: libvirt.virDomain, began: dict[str, str]) -> list[Change]:
    run, then = parse(domain.XMLDesc(0)), parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return [each for each in pending(run, then) if sure(each, began, settings(then))]


@pytest.mark.parametrize("which", CORPUS)
def test_a_vm_that_nobody_edited_waits_for_nothing(lab_host: LabHost, files: None, which: str) -> None:
    domain = lab_host.connect().defineXML(fit((GOLDEN / f"{which}.xml").read_text(), "unedited"))
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        began = settings(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
        assert waiting(domain, began) == [] == waiting(domain, {})
        domain.resume()
        assert waiting(domain, began) == []
        if which == "rich-sent":
            lab_host.restart_libvirtd()
            domain = lab_host.connect().lookupByName("unedited")
            assert waiting(domain, began) == []
            # Over each disk lies a layer from now on, in both documents.
            layers = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
            domain.snapshotCreateXML("<domainsnapshot><name>layer</name></domainsnapshot>", layers)
            assert "run-0.layer" in domain.XMLDesc(0) and waiting(domain, began) == []
    finally:
        remove(lab_host, "unedited")


def remove(host: LabHost, name: str) -> None:
    domain = host.connect().lookupByName(name)
    if domain.isActive():
        domain.destroy()
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


# Of the edits in tests/libvirtxml those of the rich document that a host takes as they are.
NOT_TAKEN = {
    "firmware", "the type", "a card's network", "a medium", "a disk more", "a disk with its controller",
    "a disk's source", "processor", "topology", "a screen less", "less memory",
}  # fmt: skip
TAKEN = sorted(name for name, (document, *_) in EDITS.items() if document == "rich" and name not in NOT_TAKEN)
STARTED = ("memory", "processors", "boot device", "a disk less", "a disk's bus", "a card's model", "video", "title")


def define_edited(host: LabHost, first: str, name: str) -> None:
    root = parse(first)
    EDITS[name][1](root)
    for address in root.findall("devices/disk/address"):
        # On another bus it is another, which libvirt gives.
        parent = address.getparent()
        assert parent is not None
        parent.remove(address)
    host.connect().defineXML(serialize(root))


def test_each_edit_waits_once_and_not_after_the_next_start(lab_host: LabHost, files: None) -> None:
    domain = lab_host.connect().defineXML(fit((GOLDEN / "rich-sent.xml").read_text(), "edited"))
    wrong = []
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        first = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        began = settings(parse(first))
        for name in TAKEN:
            define_edited(lab_host, first, name)
            found = [each.place for each in waiting(domain, began)]
            wrong += [] if found == [EDITS[name][2]] else [f"{name}: {found}"]
        for name in STARTED:
            define_edited(lab_host, first, name)
            domain.destroy()
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            now = settings(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
            wrong += [f"{name} after the start: {each.place}" for each in waiting(domain, now)]
        assert not wrong, "\n".join(wrong)
    finally:
        remove(lab_host, "edited")


def pending_of(dashboard: Dashboard, vm: int) -> list[dict[str, Any]]:
    return list(dashboard.get(f"/vms/{vm}/pending")["changes"])


def edit_outside(guest: LabGuest, was: str, now: str) -> None:
    text = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    assert was in text, text
    guest.host.connect().defineXML(text.replace(was, now, 1))


def test_what_was_edited_outside_waits_until_it_is_restarted(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("waiting", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    assert pending_of(dashboard, vm) == []
    run = guest.domain.ID()
    edit_outside(guest, "<memory unit='KiB'>131072", "<memory unit='KiB'>262144")
    [change] = eventually(lambda: pending_of(dashboard, vm), "the change waits")
    assert (change["place"], change["text"]) == ("memory", "Memory 128 MiB → 256 MiB")
    rebooted = dashboard.ask(vm, "reboot")
    dashboard.await_operation(rebooted, within=120)
    assert pending_of(dashboard, vm), "a reboot does not read the definition"
    guest.wait_for_boot(2)

    restart = dashboard.ask(vm, "restart")
    ended = dashboard.await_operation(restart, within=180)
    assert ended["state"] == "succeeded" and guest.domain.ID() != run and guest.is_running()
    eventually(lambda: pending_of(dashboard, vm) == [], "nothing waits")
    assert "262144" in guest.domain.XMLDesc(0)
    versions = dashboard.get(f"/vms/{vm}/history")["items"]
    assert [(each["number"], each["through"]) for each in versions][:1] == [(2, "outside")], versions


def test_a_definition_is_written_kept_and_brought_back(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("written-anew")
    vm = dashboard.vm(guest.uuid)
    edit_outside(guest, "<graphics type='vnc'", "<graphics type='vnc' passwd='canary'")
    shown = dashboard.request("GET", f"/api/v1/vms/{vm}/xml?document=next")
    headers = {name.lower(): value for name, value in shown.headers.items()}
    assert headers["content-type"].startswith("application/xml")
    tag, text = headers["etag"], str(shown.body)
    new = text.replace("</name>", "</name><title>Written</title>", 1)
    found = dashboard.post(f"/vms/{vm}/xml/preview", {"xml": new})
    assert (found.status, found.body["privileges"]) == (200, ["vm.describe"]), found
    live = dashboard.request("PUT", f"/api/v1/vms/{vm}/xml?document=live", new.encode(), **{"If-Match": tag})
    assert (live.status, live.body["code"]) == (409, "live_fixed")

    put = dashboard.request("PUT", f"/api/v1/vms/{vm}/xml", new.encode(), **{"If-Match": tag})
    assert put.status == 202, put
    written = dashboard.await_operation(put.body["operation"]["id"])
    secure = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    assert "<title>Written</title>" in secure and "canary" in secure
    [latest, *before] = dashboard.get(f"/vms/{vm}/history")["items"]
    assert (latest["through"], latest["operation"], latest["actor"]) == ("operation", written["id"], written["actor"])
    again = dashboard.request("PUT", f"/api/v1/vms/{vm}/xml", new.encode(), **{"If-Match": tag})
    assert (again.status, again.body["code"]) == (412, "definition_changed")

    eventually(lambda: dashboard.get(f"/vms/{vm}")["title"] == "Written", "the title is seen")
    first = before[0]["number"]
    diff = dashboard.get(f"/vms/{vm}/history/{first}/diff?to={latest['number']}")
    assert "Written" in diff["diff"] and [each["place"] for each in diff["differences"]] == ["title"]
    back = dashboard.post(f"/vms/{vm}/history/{first}/restore")
    assert back.status == 202, back
    dashboard.await_operation(back.body["operation"]["id"])
    secure = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    assert "Written" not in secure and "canary" in secure
    told = dashboard.get(f"/vms/{vm}/history/{first}")["xml"]
    assert "canary" not in told and "canary" not in str(dashboard.query("select xml from vms_version"))
