"""Deleting a real VM: nothing of it is left, nothing of others is touched; out of the trash comes the same VM."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from tests.chaos.holds import idle
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool
from tests.lab.stack import REHEARSAL, Dashboard
from tests.lab.test_volumes import ask, listed, make, pool_id
from vms.kinds.trash import STEPS

MIB = 1 << 20
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG


@pytest.fixture
def number_of(dashboard: Dashboard, pool: LabPool) -> int:
    """The pool's id in the dashboard."""
    return int(eventually(lambda: pool_id(dashboard, pool), "the pool is known"))


def attach(guest: LabGuest, path: str, target: str, format: str = "raw") -> None:
    disk = E.disk(
        E.driver(name="qemu", type=format), E.source(file=path), E.target(dev=target, bus="virtio"),
        type="file", device="disk",
    )  # fmt: skip
    guest.domain.attachDeviceFlags(etree.tostring(disk, encoding="unicode"), CONFIG)


def define_anew(guest: LabGuest) -> None:
    """libvirt tells nobody of a device that is attached to what is off; of a definition it does."""
    connection = guest.host.connect()
    connection.defineXML(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    connection.close()


def has(dashboard: Dashboard, vm: int, *volumes: str) -> dict[str, Any]:
    """What goes with it and what stays, once these volumes go."""

    def told() -> dict[str, Any] | None:
        found = dashboard.get(f"/vms/{vm}/belongings")
        return found if {line["name"].rpartition(" / ")[2] for line in found["goes"]} == set(volumes) else None

    return eventually(told, f"{volumes} go", within=60)


def delete(dashboard: Dashboard, path: str, **wish: Any) -> dict[str, Any]:
    """The operation after its end, whatever that is."""
    answer = dashboard.post(path, wish)
    assert answer.status == 202, answer
    ends = ("succeeded", "failed", "refused", "unknown")
    return dashboard.await_operation(answer.body["operation"]["id"], *ends, within=60)


def is_defined(guest: LabGuest) -> bool:
    connection = guest.host.connect()
    try:
        return guest.uuid in {domain.UUIDString() for domain in connection.listAllDomains()}
    finally:
        connection.close()


def with_firmware(guest: LabGuest, nvram: str) -> None:
    """With variables of a firmware, in a file that a first start would make."""
    root = etree.fromstring(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    firmware = root.find("os")
    assert firmware is not None
    firmware.insert(1, E.loader("/usr/share/firmware.fd", readonly="yes", type="pflash"))
    firmware.insert(2, E.nvram(nvram))
    connection = guest.host.connect()
    connection.defineXML(etree.tostring(root, encoding="unicode"))
    connection.close()


def test_a_vm_goes_with_what_is_its_own_alone(
    lab_host: LabHost, dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int
) -> None:
    own = make(dashboard, number_of, "own.qcow2", 4 * MIB, "qcow2")
    for name in ("shared.raw", "left.raw"):
        make(dashboard, number_of, name, MIB, "raw")
    (lab_host.images / "outside.raw").write_bytes(bytes(MIB))
    nvram = lab_host.images / "goes_VARS.fd"
    nvram.write_bytes(b"variables")
    guest, other = guests.make("goes"), guests.make("stays")
    attach(guest, f"{pool.path}/own.qcow2", "vdw", "qcow2")
    guest.domain.snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
    attach(guest, "/var/lib/libvirt/images/outside.raw", "vdx")
    for one, target in ((guest, "vdy"), (other, "vdy")):
        attach(one, f"{pool.path}/shared.raw", target)
    attach(guest, f"{pool.path}/left.raw", "vdz")
    with_firmware(guest, "/var/lib/libvirt/images/goes_VARS.fd")
    define_anew(other)
    vm = dashboard.vm(guest.uuid)
    told = has(dashboard, vm, "own.qcow2", "left.raw")
    assert {line["name"].rpartition("/")[2].strip(): line["why"] for line in told["stays"]} == {
        "outside.raw": "outside", "shared.raw": "used",
    }  # fmt: skip
    assert (told["snapshots"], told["nvram"], told["tpm"], told["runs"]) == (["before"], True, False, False)
    refused = dashboard.post(f"/vms/{vm}/delete", {"trash": False, "confirm": "gose"})
    assert (refused.status, [error["code"] for error in refused.body["errors"]]) == (422, ["confirm_name"])
    neighbour = dashboard.post(f"/vms/{vm}/delete", {"trash": False, "confirm": "goes", "volumes": [2**40]})
    assert neighbour.status == 422, neighbour

    # Nobody tells of a snapshot: the host's own word counts when it is done, and the list is read again.
    root = etree.fromstring(guest.domain.snapshotLookupByName("before").getXMLDesc())
    root.find("name").text = "after"  # type: ignore[union-attr]
    guest.domain.snapshotCreateXML(
        etree.tostring(root, encoding="unicode"), libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    )
    wish = {"trash": False, "confirm": "goes", "volumes": [own["id"]]}
    ended = delete(dashboard, f"/vms/{vm}/delete", **wish)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "belongings_changed"), ended
    assert is_defined(guest) and dashboard.get(f"/vms/{vm}")["present"]
    eventually(lambda: dashboard.get(f"/vms/{vm}/belongings")["snapshots"] == ["after", "before"], "both are known")

    ended = delete(dashboard, f"/vms/{vm}/delete", **wish)
    assert ended["state"] == "succeeded", ended
    assert [line["code"] for line in ended["log"]][1:-1] == ["compared", "marked", "forgotten", "volume_deleted"]
    assert not is_defined(guest) and not nvram.exists()
    assert not (pool.folder / "own.qcow2").exists() and "own.qcow2" not in listed(dashboard, number_of)
    assert (pool.folder / "left.raw").exists() and (pool.folder / "shared.raw").exists()
    assert (lab_host.images / "outside.raw").exists() and is_defined(other)
    assert dashboard.request("GET", f"/api/v1/vms/{vm}").status == 404
    assert dashboard.get("/trash")["items"] == []
    assert vm not in [item["id"] for item in dashboard.get("/vms?q=goes")["items"]]

    # Its firmware's variables keep their file under the old name.
    with_firmware(other, "/var/lib/libvirt/images/stays_VARS.fd")
    stays = dashboard.vm(other.uuid)
    dashboard.await_operation(dashboard.ask(stays, "rename", {"name": "stays-on"}))
    text = other.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert other.domain.name() == "stays-on" and "images/stays_VARS.fd" in text


def test_what_is_put_back_is_the_same_vm(
    lab_host: LabHost, dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int
) -> None:
    """Running, it is forced off; its name is another by then."""
    disk = make(dashboard, number_of, "back.raw", MIB, "raw")
    guest = guests.make("back")
    vm = dashboard.vm(guest.uuid)
    renamed = dashboard.ask(vm, "rename", {"name": "back-again"})
    dashboard.await_operation(renamed)
    assert guest.domain.name() == "back-again"
    eventually(lambda: dashboard.get(f"/vms/{vm}")["name"] == "back-again", "its new name is shown")
    attach(guest, f"{pool.path}/back.raw", "vdz")
    guest.domain.setAutostart(1)
    guest.domain.create()
    before = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    eventually(lambda: dashboard.get(f"/vms/{vm}")["state"] == "running", "it is shown running")
    assert dashboard.request("PUT", f"/api/v1/vms/{vm}/tags", {"tags": ["kept"]}).status == 200
    assert has(dashboard, vm, "back.raw")["runs"]
    ended = delete(dashboard, f"/vms/{vm}/delete")
    assert ended["state"] == "succeeded", ended
    assert guest.is_off() and not guest.domain.autostart()
    assert dashboard.request("GET", f"/api/v1/vms/{vm}").status == 404
    assert dashboard.post(f"/vms/{vm}/start").status == 404
    [line] = [item for item in dashboard.get("/trash")["items"] if item["id"] == vm]
    assert (line["name"], line["present"], line["running"], line["disk_bytes"]) == ("back-again", True, False, MIB)
    # Nobody else gets its disk meanwhile.
    refused = dashboard.request("DELETE", f"/api/v1/volumes/{disk['id']}")
    assert (refused.status, refused.body["code"]) == (409, "volume_used")

    back = delete(dashboard, f"/trash/{vm}/restore")
    assert back["state"] == "succeeded", back
    assert guest.domain.autostart() and guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before
    shown = dashboard.get(f"/vms/{vm}")
    assert (shown["uuid"], shown["tags"], shown["state"]) == (guest.uuid, ["kept"], "shut_off")
    assert delete(dashboard, f"/vms/{vm}/delete")["state"] == "succeeded"
    assert dashboard.post(f"/trash/{vm}/purge", {"confirm": "back"}).status == 422
    assert delete(dashboard, f"/trash/{vm}/purge", confirm="back-again")["state"] == "succeeded"
    assert not is_defined(guest) and not (pool.folder / "back.raw").exists()


def snapshot(guest: LabGuest, name: str, *disks: etree._Element, memory: str = "") -> None:
    """Inside its disks; with disks on these, and with a file for it of the memory too."""
    wish = E.domainsnapshot(E.name(name), E.disks(*disks))
    if memory:
        wish.append(E.memory(snapshot="external", file=memory))
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY if disks and not memory else 0
    guest.domain.snapshotCreateXML(etree.tostring(wish, encoding="unicode"), flags)


def kept_of(host: LabHost, name: str) -> set[str]:
    """What the host's libvirt has in its own folders of the domain of that name."""
    found = host.run("find", "/var/lib/libvirt/qemu", "/etc/libvirt/qemu", "-name", f"{name}*").split()
    return {path.parent.name for path in map(Path, found) if path.name.partition(".")[0] == name}


def test_snapshots_of_all_sorts_checkpoints_and_saved_states_go_and_what_lies_below_stays(
    lab_host: LabHost, dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int
) -> None:
    for name in ("below.qcow2", "others.qcow2"):
        make(dashboard, number_of, name, 4 * MIB, "qcow2")
    # libvirt's own are too old for the bitmap of a checkpoint.
    for name, more in (("first", ("-b", f"{pool.path}/below.qcow2", "-F", "qcow2")), ("marked", ())):
        lab_host.run("qemu-img", "create", "-q", "-f", "qcow2", *more, f"{pool.path}/{name}.qcow2", "4M")
    # What the tests put there is served as the files that it is.
    dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={number_of}).update(trusted=True)")
    guest, other, marked = guests.make("sheds"), guests.make("sheds-not"), guests.make("marked")
    for one, disk in ((guest, "first.qcow2"), (other, "others.qcow2"), (marked, "marked.qcow2")):
        attach(one, f"{pool.path}/{disk}", "vdz", "qcow2")
        if one is not marked:
            snapshot(one, "inside")
        one.domain.create()
    marked.domain.checkpointCreateXML("<domaincheckpoint><name>mark</name></domaincheckpoint>")
    snapshot(guest, "memory", E.disk(E.source(file=f"{pool.path}/second.qcow2"), name="vdz"), memory=f"{pool.path}/mem")
    snapshot(guest, "outside", E.disk(E.source(file=f"{pool.path}/third.qcow2"), name="vdz"))
    for one in (guest, other):
        one.domain.managedSave()
    ask(dashboard, f"/pools/{number_of}/refresh")
    assert kept_of(lab_host, "sheds") == kept_of(lab_host, "sheds-not") == {"qemu", "save", "snapshot"}
    assert kept_of(lab_host, "marked") == {"qemu", "checkpoint"}

    vm, with_marks = dashboard.vm(guest.uuid), dashboard.vm(marked.uuid)
    told = has(dashboard, vm, "first.qcow2", "second.qcow2", "third.qcow2", "mem")
    assert [(line["name"].rpartition(" / ")[2], line["why"]) for line in told["stays"]] == [("below.qcow2", "below")]
    assert (told["snapshots"], told["saved_state"], told["runs"]) == (["inside", "memory", "outside"], True, False)
    # Of a checkpoint libvirt tells nobody: the sweep finds it.
    eventually(lambda: has(dashboard, with_marks, "marked.qcow2")["checkpoints"], "its checkpoint is known", within=90)
    told = has(dashboard, with_marks, "marked.qcow2")
    assert (told["checkpoints"], told["saved_state"], told["runs"]) == (["mark"], False, True)

    # Out of the trash they come with all of it.
    for number in (vm, with_marks):
        assert delete(dashboard, f"/vms/{number}/delete")["state"] == "succeeded"
    assert kept_of(lab_host, "sheds") == {"qemu", "save", "snapshot"} and marked.is_off()
    assert delete(dashboard, f"/trash/{vm}/restore")["state"] == "succeeded"
    assert delete(dashboard, f"/vms/{vm}/delete", trash=False, confirm="sheds")["state"] == "succeeded"
    assert delete(dashboard, f"/trash/{with_marks}/purge", confirm="marked")["state"] == "succeeded"
    assert kept_of(lab_host, "sheds") == kept_of(lab_host, "marked") == set()
    assert kept_of(lab_host, "sheds-not") == {"qemu", "save", "snapshot"}
    assert {"below.qcow2", "others.qcow2"} <= set(pool.names())
    assert not {"first.qcow2", "second.qcow2", "third.qcow2", "mem", "marked.qcow2"} & set(pool.names())


DOOMED = """
import os, signal
from vms.operations import trash
from vms.operations.process import WorkerProcess
real = trash.log
def log(operation, code, **params):
    real(operation, code, **params)
    if code == {step!r}:
        os.kill(os.getpid(), signal.SIGKILL)
trash.log = log
WorkerProcess(name="doomed").take({operation})
"""
CASES = [("trash", step) for step in STEPS[:3]] + [("delete", step) for step in STEPS]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "step"), CASES)
def test_killed_at_any_step_it_is_there_whole_or_gone_whole(
    dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int, kind: str, step: str
) -> None:
    name = f"killed-{kind}-{step.replace('_', '-')}"
    make(dashboard, number_of, name, MIB, "raw")
    guest = guests.make(name)
    attach(guest, f"{pool.path}/{name}", "vdz")
    guest.domain.create()
    vm = dashboard.vm(guest.uuid)
    eventually(lambda: dashboard.get(f"/vms/{vm}")["state"] == "running", "it is shown running")
    has(dashboard, vm, name)
    with idle(dashboard, dashboard.pid("worker")):
        operation = dashboard.ask(vm, "delete", {"trash": kind == "trash", "confirm": name})
        doomed = subprocess.Popen(
            [*dashboard.python, REHEARSAL, dashboard.code], cwd=dashboard.started_in, env=dashboard.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        doomed.communicate(json.dumps(DOOMED.format(step=step, operation=operation)) + "\n", timeout=120)
        assert doomed.returncode == -signal.SIGKILL, doomed.returncode
    ended = dashboard.await_operation(operation, "succeeded", "failed", within=120)
    codes = [line["code"] for line in ended["log"]]
    assert step in codes and codes[-1] in ("reconciled", "worker_died"), codes
    there, disk = is_defined(guest), (pool.folder / name).exists()
    assert there == disk, "half of it is left"
    in_trash = [item["id"] for item in dashboard.get("/trash")["items"]]
    seen = dashboard.request("GET", f"/api/v1/vms/{vm}").status == 200
    if kind == "delete":
        assert in_trash == [] and seen == there == (ended["state"] == "failed")
        assert there == (step in ("compared", "marked", "off"))
        return
    assert there and (vm in in_trash) != seen and seen == (ended["state"] == "failed")
    if vm in in_trash:
        assert delete(dashboard, f"/trash/{vm}/purge", confirm=name)["state"] == "succeeded"
