"""The rest of power on a real guest: save and restore, keys and interrupts, autostart, other ways of starting."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree
from lxml.builder import E

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.test_kills import asked, held, kill


def writers(host: LabHost) -> list[int]:
    """The processes that write a VM's memory to the host's disk."""
    found = []
    for task in Path(f"/proc/{host.pid('libvirtd')}/task").iterdir():  # each thread has children of its own
        with suppress(OSError):
            pids = [int(word) for word in (task / "children").read_text().split()]
            found += [pid for pid in pids if "libvirt_iohelper" in Path(f"/proc/{pid}/cmdline").read_text()]
    return found


def codes(operation: dict[str, Any]) -> list[str]:
    """What its log says."""
    return [line["code"] for line in operation["log"]]


@contextmanager
def stuck(host: LabHost) -> Iterator[Callable[[], bool]]:
    """What is saved inside gets stuck on its way to the disk; the yielded question: whether something is."""
    stopped: set[int] = set()
    over = threading.Event()

    def stop() -> None:
        while not over.wait(0.002):
            for pid in set(writers(host)) - stopped:
                os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield lambda: bool(stopped)
    finally:
        over.set()
        thread.join()
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_what_is_saved_goes_on_where_it_was(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("kept", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    dashboard.await_operation(dashboard.ask(vm, "save"))
    dashboard.await_state(vm, "saved")
    assert guest.is_off() and guest.domain.hasManagedSaveImage()
    counted = guest.counts()[-1]

    dashboard.await_operation(dashboard.ask(vm, "restore"))
    dashboard.await_state(vm, "running")
    guest.wait_for_count()
    assert len(guest.boots()) == 1
    assert counted <= guest.counts()[-1] <= counted + 30

    dashboard.await_operation(dashboard.ask(vm, "save"))
    dashboard.await_operation(dashboard.ask(vm, "discard-saved"))
    dashboard.await_state(vm, "shut_off")
    assert not guest.domain.hasManagedSaveImage()
    dashboard.await_operation(dashboard.ask(vm, "start"))
    guest.wait_for_boot(2)


def test_a_save_that_drags_on_can_be_ended(dashboard: Dashboard, guests: Guests, lab_host: LabHost) -> None:
    guest = guests.make("dragging", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    with stuck(lab_host) as is_stuck:
        operation = dashboard.ask(vm, "save")
        eventually(is_stuck, "the save is under way", every=0.01)
        eventually(lambda: dashboard.operation(operation)["progress"] is not None, "its progress is told")
        assert dashboard.post(f"/operations/{operation}/cancel").status == 202
        eventually(lambda: "ending" in codes(dashboard.operation(operation)), "the host is asked to end it")
    dashboard.await_operation(operation, "cancelled")
    guest.wait_for_count()
    assert len(guest.boots()) == 1
    dashboard.await_state(vm, "running")


def test_a_worker_killed_in_the_middle_of_a_save_is_told_by_evidence(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost
) -> None:
    guest = guests.make("saved-alone", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    with stuck(lab_host) as is_stuck:
        operation = dashboard.ask(vm, "save")
        eventually(lambda: is_stuck() and asked(dashboard, operation), "the save is under way", every=0.01)
        kill(dashboard, "worker")
        lost = "select count(*) from vms_worker where stopped_at is null and name not like 'transfer%'"
        eventually(lambda: dashboard.query(lost) == [(1,)], "another worker has taken over")
        assert dashboard.operation(operation)["state"] == "running"
        assert dashboard.post(f"/vms/{vm}/reset").body["code"] == "locked"
    told = dashboard.await_operation(operation, within=60)
    assert codes(told) == ["claimed", "reconciled"]
    assert guest.domain.hasManagedSaveImage()
    dashboard.await_operation(dashboard.ask(vm, "restore"))
    guest.wait_for_count()
    assert len(guest.boots()) == 1


def test_keys_and_interrupts_reach_the_guest(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("pressed", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    asked = dashboard.post(f"/vms/{vm}/nmi")
    dashboard.await_operation(asked.body["operation"]["id"])
    guest.wait_for_line("NMI")
    asked = dashboard.post(f"/vms/{vm}/send-key", {"keys": "Control+Alt+Delete"})
    dashboard.await_operation(asked.body["operation"]["id"])
    guest.wait_for_boot(2)


def test_autostart_is_what_virsh_sees(dashboard: Dashboard, guests: Guests, lab_host: LabHost) -> None:
    guest = guests.make("with-the-host")
    vm = dashboard.vm(guest.uuid)
    for enabled in (True, False):
        asked = dashboard.post(f"/vms/{vm}/autostart", {"enabled": enabled})
        dashboard.await_operation(asked.body["operation"]["id"])
        assert ("with-the-host" in lab_host.virsh("list", "--all", "--autostart")) is enabled
        assert dashboard.get(f"/vms/{vm}")["autostart"] is enabled


def boots_from_disk(guest: LabGuest, iso: Path) -> None:
    """It has a disk that holds nothing, a CD with a system, and no kernel from its host."""
    document = etree.fromstring(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    system, devices = document.find("os"), document.find("devices")
    assert system is not None and devices is not None
    for name in ("kernel", "initrd", "cmdline"):
        for given in system.findall(name):
            system.remove(given)
    disk = guest.host.images / f"{guest.name}.raw"
    disk.parent.mkdir(parents=True, exist_ok=True)
    disk.write_bytes(bytes(1 << 20))
    for kind, path, target in (("disk", disk, "hda"), ("cdrom", iso, "hdc")):
        devices.append(
            E.disk(
                E.driver(name="qemu", type="raw"), E.source(file=str(path)), E.target(dev=target, bus="ide"),
                type="file", device=kind,
            )
        )  # fmt: skip
    guest.host.connect().defineXML(etree.tostring(document, encoding="unicode"))


def boots_first(guest: LabGuest, flags: int) -> list[str]:
    """The devices of its order: what <os> names, and the targets of those with a place of their own."""
    document = etree.fromstring(guest.domain.XMLDesc(flags))
    placed = sorted((str(boot.get("order")), boot.getparent()) for boot in document.iterfind("devices/*/boot"))
    targets = [str(device.find("target").get("dev")) for _, device in placed]  # type: ignore[union-attr]
    return [str(boot.get("dev")) for boot in document.iterfind("os/boot")] + targets


def test_it_starts_once_from_its_cd(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("rescued")
    boots_from_disk(guest, guests.files.iso)
    before = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_operation(dashboard.ask(vm, "boot-cd"))
    guest.wait_for_boot()
    assert boots_first(guest, 0) == ["hdc", "hda"]
    assert guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before
    failed = guests.make("cardless")
    boots_from_disk(failed, guests.files.iso)
    asked = dashboard.ask(dashboard.vm(failed.uuid), "boot-network")
    assert dashboard.await_operation(asked, "failed")["error"]["code"] == "nothing_to_boot"


def test_a_worker_killed_within_leaves_no_other_order(dashboard: Dashboard, guests: Guests, lab_host: LabHost) -> None:
    guest = guests.make("rescued-alone")
    boots_from_disk(guest, guests.files.iso)
    before = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    vm = dashboard.vm(guest.uuid)
    changed = "select 1 from vms_operationlog where operation_id = ? and code = 'boot_order_changed'"
    operation = dashboard.ask(vm, "boot-cd")
    eventually(lambda: dashboard.query(changed, operation), "the order is changed", every=0.001)
    with held(lab_host):
        kill(dashboard, "worker")
    told = dashboard.await_operation(operation, "succeeded", "failed", within=60)
    assert guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before
    assert (told["state"] == "succeeded") == guest.is_running(), told


def test_started_paused_it_stands_before_its_first_step(dashboard: Dashboard, guests: Guests) -> None:
    guest = guests.make("stands")
    vm = dashboard.vm(guest.uuid)
    dashboard.await_operation(dashboard.ask(vm, "start-paused"))
    dashboard.await_state(vm, "paused")
    assert guest.state() == libvirt.VIR_DOMAIN_PAUSED
    assert guest.stands_still(1) and not guest.boots()
    dashboard.await_operation(dashboard.ask(vm, "resume"))
    guest.wait_for_boot(1)
