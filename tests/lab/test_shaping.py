"""Each edit of a machine on a real host, off and running, found in libvirt's own document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import libvirt
import pytest
from lxml import etree

from tests.data.shapes import OS_THERE, TRIALS, Trial
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool
from tests.lab.shaping import defined, docs_and_stick, drawing_in_3d, machine_on, said, surroundings, with_socket
from tests.lab.stack import Answer, Dashboard
from tests.lab.test_create import connected, image, volume
from tests.osdata.test_osdata import iso

MIB = 1 << 20
SECURE = libvirt.VIR_DOMAIN_XML_SECURE
OTHER = "<network><name>other</name></network>"


@dataclass(frozen=True)
class Shaped:
    """The machine on its host, and its row."""

    host: LabHost
    dashboard: Dashboard
    pool: LabPool
    uuid: str
    vm: int

    @property
    def domain(self) -> libvirt.virDomain:
        return self.host.connect().lookupByUUIDString(self.uuid)

    def next(self, path: str) -> Any:
        return etree.fromstring(self.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | SECURE)).xpath(path)

    def now(self, path: str) -> Any:
        return etree.fromstring(self.domain.XMLDesc(SECURE)).xpath(path)

    def done(self, answer: Answer, *states: str) -> dict[str, Any]:
        assert answer.status == 202, answer.body
        return self.dashboard.await_operation(answer.body["operation"]["id"], *states, within=60)

    def patch(self, path: str, body: Any) -> Answer:
        return self.dashboard.request("PATCH", f"/api/v1/vms/{self.vm}{path}", body)


@pytest.fixture
def shaped(lab_host: LabHost, dashboard: Dashboard) -> Iterator[Shaped]:
    with surroundings(lab_host) as pool, defined(lab_host, machine_on(pool)) as own:
        yield Shaped(lab_host, dashboard, pool, own, dashboard.vm(own))


def body(shaped: Shaped, trial: Trial) -> tuple[str, dict[str, Any]]:
    """Where the trial's value is sent, and how."""
    value: Any = trial.value
    if trial.lens == "network":
        networks = shaped.dashboard.get("/networks?page_size=200")["items"]
        value = next(one["id"] for one in networks if one["name"] == value)
    if trial.part not in ("overview", "cpu", "memory", "boot"):
        return f"/devices/{trial.part}", {"values": {trial.lens: value}}
    sizes = {"memory": "memory_mib", "memory_max": "memory_max_mib", "memory_limit": "memory_limit_mib"}
    return "", {sizes.get(trial.lens, trial.lens): value // 1024 if trial.lens in sizes else value}


def test_each_edit_is_found_in_the_definition(shaped: Shaped) -> None:
    eventually(lambda: connected(shaped.dashboard, "other"), "cards can be put there", within=60)
    with_socket(shaped.host, shaped.dashboard, shaped.uuid)
    with drawing_in_3d(shaped.dashboard):
        failed = tried(shaped)
    assert not failed, "\n".join(f"{key}: {why}" for key, why in failed.items())


def tried(shaped: Shaped) -> dict[tuple[str, str], str]:
    """{(part, lens): what is wrong with it}."""
    failed = {}
    for trial in TRIALS:
        if trial.lens in ("medium", "firmware") or trial.part == "tpm0":
            continue
        path, values = body(shaped, trial)
        before = shaped.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        answer = shaped.patch(path, values)
        if answer.status != 202:
            failed[trial.part, trial.lens] = str(answer.body)
            continue
        ended = shaped.done(answer, "succeeded", "failed", "refused", "unknown")
        found = said(shaped.next(trial.path))
        if ended["state"] != "succeeded" or found != trial.said:
            failed[trial.part, trial.lens] = f"{found} {ended['error']} {ended['log'][-1]}"
            continue
        lost = tags(before) - tags(shaped.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        assert not lost - {"codec"}, (trial, lost)
    return failed


def tags(text: str) -> set[str]:
    return {str(element.tag) for element in etree.fromstring(text).iter(etree.Element)} - {"address", "iotune"}


def test_a_running_machine_gets_what_it_can_at_once(shaped: Shaped) -> None:
    eventually(lambda: connected(shaped.dashboard, "other"), "cards can be put there", within=60)
    shaped.done(shaped.patch("", {"cpus_max": 4}))
    shaped.domain.create()
    shaped.dashboard.await_state(shaped.vm, "running")
    other = next(one["id"] for one in shaped.dashboard.get("/networks")["items"] if one["name"] == "other")
    body = {
        "title": "Shop",
        "description": "now",
        "on_crash": "preserve",
        "cpus": 3,
        "memory_mib": 48,
        "os": "debian13",
    }
    ended = shaped.done(shaped.patch("", body))
    assert [line["code"] for line in ended["log"]][-3:] == ["shaped_next", "shaped_now", "seen"], ended
    for look in (shaped.now, shaped.next):
        assert [said(look(path)) for path in ("title", "description", "on_crash", "vcpu/@current", OS_THERE)] == [
            "Shop", "now", "preserve", "3", "http://debian.org/debian/13",
        ]  # fmt: skip
    # The most that it can have goes along, where all of that is in use.
    assert [said(look("memory")) for look in (shaped.now, shaped.next)] == ["65536", "49152"]
    assert said(shaped.next("currentMemory")) == "49152"

    shaped.done(shaped.patch("/devices/vda", {"values": {"bytes_sec": MIB, "cache": "none"}}))
    assert said(shaped.now("devices/disk/iotune/total_bytes_sec")) == str(MIB)
    assert said(shaped.next("devices/disk/iotune/total_bytes_sec")) == str(MIB)
    assert (shaped.now("devices/disk/driver/@cache"), shaped.next("devices/disk/driver/@cache")) == ([], ["none"])
    waits = shaped.dashboard.get(f"/vms/{shaped.vm}/devices/vda")
    assert (waits["values"]["cache"], waits["now"]) == ("none", {"cache": ""})

    shaped.done(shaped.patch("/devices/net0", {"values": {"link": "down", "network": other}}))
    for look in (shaped.now, shaped.next):
        assert said(look("devices/interface/link/@state")) == "down"
        assert said(look("devices/interface/source/@network")) == "other"
    shaped.done(shaped.patch("/devices/balloon0", {"values": {"period": 7}}))
    assert said(shaped.now("devices/memballoon/stats/@period")) == "7"

    refused = shaped.patch("/devices/vda?apply=live", {"values": {"cache": "writeback"}})
    assert (refused.status, refused.body["code"]) == (409, "not_live")
    shaped.done(shaped.patch("?apply=live", {"title": "only now"}))
    assert (said(shaped.now("title")), said(shaped.next("title"))) == ("only now", "Shop")
    shaped.done(shaped.patch("?apply=next", {"title": "only then"}))
    assert (said(shaped.now("title")), said(shaped.next("title"))) == ("only now", "only then")
    over = shaped.patch("", {"cpus": 9})
    assert (over.status, over.body["errors"][0]["code"]) == (422, "shape_over"), over.body


def test_devices_come_and_go(shaped: Shaped, lab_host: LabHost) -> None:
    eventually(lambda: connected(shaped.dashboard, "other"), "cards can be put there", within=60)
    shaped.domain.create()
    shaped.dashboard.await_state(shaped.vm, "running")
    other = next(one["id"] for one in shaped.dashboard.get("/networks")["items"] if one["name"] == "other")
    pool = next(one["id"] for one in shaped.dashboard.get("/pools")["items"] if one["name"] == shaped.pool.name)
    shaped.dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={pool}).update(trusted=True)")
    third = volume(shaped.dashboard, pool, "third")["id"]

    def add(**body: Any) -> dict[str, Any]:
        return shaped.done(shaped.dashboard.post(f"/vms/{shaped.vm}/devices", body))

    add(sort="disk", volume=third, bus="virtio")
    add(sort="disk", pool=pool, size_gib=1)
    made = volume(shaped.dashboard, pool, "shaped-5.qcow2")
    assert (made["state"], made["capacity_bytes"]) == ("ready", 1 << 30), made
    add(sort="card", network=other)
    add(sort="agent")
    for look in (shaped.now, shaped.next):
        assert look("devices/disk/source/@volume")[-2:] == ["third", "shaped-5.qcow2"]
        assert len(look("devices/interface[source/@network='other'][filterref/@filter='clean-traffic']")) == 1
        assert look("devices/channel/target/@name").count("org.qemu.guest_agent.0") == 1
    again = shaped.dashboard.post(f"/vms/{shaped.vm}/devices", {"sort": "disk", "volume": third})
    assert again.status == 422, again.body
    add(sort="tablet")
    tablets = [len(look("devices/input[@type='tablet']")) for look in (shaped.now, shaped.next)]
    assert tablets == [0, 1]

    # No system runs in it that would let a device go.
    gone = shaped.dashboard.request("DELETE", f"/api/v1/vms/{shaped.vm}/devices/vdc")
    ended = shaped.done(gone, "failed")
    assert (ended["error"]["code"], shaped.next("devices/disk[source/@volume='third']")) == ("device_held", [])
    shaped.domain.destroy()
    shaped.dashboard.await_state(shaped.vm, "shut_off")
    eventually(lambda: volume(shaped.dashboard, pool, "third"), "it is free")
    devices, left = shaped.dashboard.get(f"/vms/{shaped.vm}/devices"), {"name": "third", "bus": "virtio", "ready": True}
    assert [{**left, "volume": third}] == [one for one in devices["detached"] if one["volume"] == third]
    add(sort="disk", volume=third, bus="virtio")
    assert shaped.next("devices/disk[source/@volume='third']/target/@dev") == ["vdc"]
    tablet = next(one["key"] for one in devices["items"] if one["about"].get("type") == "tablet")
    for key in ("vdb", "net0", "rng0", "watchdog0", "sound0", "panic0", "channel1", "channel0", tablet):
        xml = shaped.dashboard.get(f"/vms/{shaped.vm}/devices/{key}")["xml"]
        tag = f"devices/{etree.fromstring(xml).tag}"
        number = len(shaped.next(tag))
        shaped.done(shaped.dashboard.request("DELETE", f"/api/v1/vms/{shaped.vm}/devices/{key}"))
        assert len(shaped.next(tag)) == number - 1, key
    for sort in ("rng", "watchdog", "sound", "panic", "agent", "serial", "console", "cdrom", "vsock"):
        add(sort=sort)
    with docs_and_stick(shaped.dashboard, shaped.vm):
        offers = {one["name"]: one["id"] for one in shaped.dashboard.get("/offers")["items"]}
        add(sort="folder", offer=offers["docs"])
        add(sort="hostdev", offer=offers["stick"])
    assert shaped.next("devices/filesystem/source/@dir") == ["/srv/docs"]
    assert shaped.next("memoryBacking/access/@mode") == ["shared"]
    assert shaped.next("devices/hostdev/source/@startupPolicy") == ["optional"]
    for key in ("fs0", "hostdev0"):
        shaped.done(shaped.dashboard.request("DELETE", f"/api/v1/vms/{shaped.vm}/devices/{key}"))
    assert shaped.next("devices/filesystem") == shaped.next("devices/hostdev") == []
    keys = {one["key"] for one in shaped.dashboard.get(f"/vms/{shaped.vm}/devices")["items"]}
    assert {"rng0", "watchdog0", "sound0", "panic0", "channel0", "serial0", "sdb"} <= keys, keys


def test_a_cd_comes_from_images_and_goes(shaped: Shaped) -> None:
    name = "installer.iso"
    (shaped.pool.folder / name).write_bytes(iso("Debian 13.1.0 amd64 n").ljust(MIB, b"\0"))
    pools = shaped.dashboard.get("/pools?page_size=200")["items"]
    pool = next(one["id"] for one in pools if one["name"] == shaped.pool.name)
    shaped.dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={pool}).update(trusted=True)")
    shaped.done(shaped.dashboard.post(f"/pools/{pool}/refresh"))
    number = image(shaped.dashboard, name)
    where = "devices/disk[@device='cdrom']/source/@volume"
    # Off, then while it runs: out, and in again.
    shaped.done(shaped.patch("/devices/sda", {"values": {"medium": number}}))
    assert shaped.next(where) == [name]
    shaped.domain.create()
    shaped.dashboard.await_state(shaped.vm, "running")
    for medium, there in (("", []), (number, [name])):
        shaped.done(shaped.patch("/devices/sda", {"values": {"medium": medium}}))
        assert (shaped.now(where), shaped.next(where)) == (there, there), medium
    assert shaped.patch("/devices/sda", {"values": {"medium": "/etc/shadow"}}).status == 422


def test_a_screen_gets_a_password_and_loses_it(shaped: Shaped) -> None:
    where = "devices/graphics/@passwd"
    shaped.done(shaped.patch("/devices/graphics0", {"values": {"password": "first"}}))
    shaped.domain.create()
    shaped.dashboard.await_state(shaped.vm, "running")
    shaped.done(shaped.patch("/devices/graphics0", {"values": {"password": "second"}}))
    assert (shaped.now(where), shaped.next(where)) == (["second"], ["second"])
    shown = shaped.dashboard.get(f"/vms/{shaped.vm}/devices/graphics0")
    assert "second" not in str(shown) and shown["values"]["password"] == ""
    shaped.done(shaped.patch("/devices/graphics0?apply=next", {"values": {"password": ""}}))
    assert (shaped.now(where), shaped.next(where)) == (["second"], [])
    # libvirt would take it out of its document, and QEMU would go on asking for it.
    refused = shaped.patch("/devices/graphics0?apply=live", {"values": {"password": ""}})
    assert (refused.status, refused.body["code"]) == (409, "not_live")
    shaped.domain.destroy()
    shaped.domain.create()
    # A run that began without one takes none.
    shaped.done(shaped.patch("/devices/graphics0", {"values": {"password": "third"}}))
    assert (shaped.now(where), shaped.next(where)) == ([], ["third"])


def test_another_chipset_starts(shaped: Shaped) -> None:
    refused = shaped.patch("", {"firmware": "secure"})
    assert (refused.status, refused.body["errors"][0]["code"]) == (422, "vm_no_uefi"), "no UEFI is here"
    for name, is_now in (("pc", "pc-i440fx-"), ("q35", "pc-q35-")):
        shaped.done(shaped.patch("", {"machine": name}))
        assert said(shaped.next("os/type/@machine")).startswith(is_now)
        shaped.domain.create()
        shaped.dashboard.await_state(shaped.vm, "running")
        assert said(shaped.now("os/type/@machine")).startswith(is_now)
        assert len(shaped.now("devices/disk")) == 3 and len(shaped.now("devices/interface")) == 1
        shaped.domain.destroy()
        shaped.dashboard.await_state(shaped.vm, "shut_off")
