"""What a VM's page says of a crash: what its host told beside the state, for as long as it matters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm
from vms.inventory import troubles
from vms.models import Document, Happening, Host, LastScreen, VirtualMachine
from vms.services.crashes import trouble
from vms.services.sentences import happening
from vms.virt import DomainBroke

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

DISK = "<disk type='file'><target dev='vdb'/><alias name='virtio-disk1'/></disk>"
LIVE = f"<domain type='qemu'><name>web-01</name><memory>1024</memory><vcpu>1</vcpu><devices>{DISK}</devices></domain>"
FULL = DomainBroke("", "disk", "pause", "virtio-disk1", "enospc")


def broken(host: Host, state: str, reason: str, what: DomainBroke | None = None, **ago: float) -> VirtualMachine:
    """A VM in that state for so long, of which its host told that in the same moment."""
    since = timezone.now() - timedelta(**ago)
    run = 1 if state != "shut_off" else None
    vm = make_vm(host, "web-01", state, state_reason=reason, state_since=since, run_id=run)
    Document.objects.filter(placement=vm.placement).update(live=LIVE)
    if what:
        told(vm, what)
        Happening.objects.update(at=since)
    return vm


def told(vm: VirtualMachine, what: DomainBroke) -> set[str]:
    assert vm.placement
    fields = {"what": what.what, "action": what.action, "device": what.device, "reason": what.reason}
    return troubles.store(vm.placement.host, DomainBroke(str(vm.placement.uuid), **fields))


@pytest.mark.parametrize(
    ("state", "reason", "what", "expected"),
    [
        ("shut_off", "crashed", None, ("qemu_ended", True)),
        ("shut_off", "crashed", DomainBroke("", "panicked"), ("panicked", True)),
        ("crashed", "panicked", None, ("panicked", True)),
        ("paused", "ioerror", FULL, ("disk_failed", True)),
        ("paused", "watchdog", DomainBroke("", "watchdog", "pause"), ("watchdog_fired", True)),
        ("running", "", DomainBroke("", "panicked"), ("panicked", False)),
        ("running", "", DomainBroke("", "watchdog", "reset"), ("watchdog_fired", False)),
    ],
)
def test_state_and_what_was_told_say_what_it_was(
    host: Host, state: str, reason: str, what: DomainBroke | None, expected: tuple[str, bool]
) -> None:
    found = trouble(broken(host, state, reason, what, hours=1))
    assert found is not None
    assert (found.what, found.stands) == expected


@pytest.mark.parametrize(("state", "reason"), [("shut_off", "shutdown"), ("shut_off", ""), ("paused", "user")])
def test_what_somebody_wanted_is_no_trouble(host: Host, state: str, reason: str) -> None:
    assert trouble(broken(host, state, reason, hours=1)) is None


def test_it_is_told_for_a_day_and_while_it_stands(host: Host) -> None:
    assert trouble(broken(host, "running", "", DomainBroke("", "panicked"), hours=25)) is None
    there = trouble(broken(host, "crashed", "panicked", DomainBroke("", "panicked"), days=9))
    assert there is not None and there.stands


def test_what_was_told_of_another_time_explains_nothing(host: Host) -> None:
    vm = broken(host, "shut_off", "crashed", DomainBroke("", "panicked"), minutes=5)
    Happening.objects.update(at=timezone.now() - timedelta(hours=2))
    found = trouble(vm)
    assert found is not None and found.what == "qemu_ended"


def test_a_disk_is_named_as_the_definition_does(host: Host) -> None:
    vm = broken(host, "paused", "ioerror", FULL, minutes=1)
    found = trouble(vm)
    assert found is not None
    assert (found.disk, found.why, found.action) == ("vdb", "no room is left where it lies", "it was paused")
    kept = Happening.objects.get(vm=vm)
    assert happening(kept.code, kept.params) == (
        "could not use its disk vdb (no room is left where it lies, it was paused)"
    )


def test_the_same_again_is_told_once_a_minute(host: Host) -> None:
    vm = broken(host, "running", "", minutes=1)
    assert told(vm, FULL) == {f"vm:{vm.pk}"}
    assert [told(vm, FULL) for _ in range(3)] == [set()] * 3
    assert told(vm, DomainBroke("", "disk", "pause", "virtio-disk9", "eio")) == {f"vm:{vm.pk}"}
    Happening.objects.update(at=timezone.now() - timedelta(seconds=61))
    assert told(vm, FULL) == {f"vm:{vm.pk}"}


def test_its_page_shows_what_stood_there(client_alice: Client, host: Host) -> None:
    vm = broken(host, "shut_off", "crashed", minutes=5)
    address = f"/api/v1/vms/{vm.pk}/screenshot?of=crash"
    page = client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert "It ended by itself." in page and address not in page
    kept: Any = LastScreen.objects.create(vm=vm, taken_at=timezone.now() - timedelta(minutes=6), png=b"\x89PNG")
    assert address in client_alice.get(f"/vms/{vm.pk}/").content.decode()
    # That was another crash.
    LastScreen.objects.filter(pk=kept.pk).update(taken_at=timezone.now() - timedelta(days=3))
    assert address not in client_alice.get(f"/vms/{vm.pk}/").content.decode()


def test_a_state_says_why_where_nobody_wanted_it() -> None:
    assert happening("state", {"state": "paused", "reason": "ioerror"}) == (
        "is paused: a disk could not be written to or read"
    )
    assert happening("state", {"state": "shut_off", "reason": "shutdown"}) == "is shut off"
