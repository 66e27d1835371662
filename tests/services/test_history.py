"""The versions of a definition: who wrote which, and how many are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from vms.models import Operation, Version, VirtualMachine
from vms.services import history

pytestmark = pytest.mark.django_db


def text(title: str, more: str = "") -> str:
    return f"<domain><name>a</name><title>{title}</title><devices><input type='tablet'/>{more}</devices></domain>"


@pytest.fixture
def operation(vm: VirtualMachine) -> Operation:
    return Operation.objects.create(
        kind="vm.eject", actor_name="carol", target_kind="vm", target_id=vm.pk, target_name=vm.name, vm=vm,
        node="node-a", queue="quick", state="running", started_at=timezone.now(),
    )  # fmt: skip


def keep(vm: VirtualMachine, xml: str, operation: Operation | None = None) -> Version:
    kept = history.keep(vm.pk, None, xml, operation)
    assert kept
    return Version.objects.get(pk=kept.pk)


def test_each_is_kept_once(vm: VirtualMachine) -> None:
    assert [keep(vm, text(title)).number for title in "aabba"] == [1, 1, 2, 2, 3]
    assert history.keep(vm.pk, None, "") is None


def test_another_order_is_no_other_version(vm: VirtualMachine) -> None:
    """libvirt sorts controllers anew when it starts a VM."""
    usb, sata = "<controller type='usb' index='0'/>", "<controller type='sata' index='0'/>"
    assert keep(vm, text("a", usb + sata)).number == keep(vm, text("a", sata + usb)).number == 1
    assert keep(vm, text("a", sata + usb + "<input type='mouse'/>")).number == 2


def test_who_left_it_so_wrote_it(vm: VirtualMachine, operation: Operation) -> None:
    assert keep(vm, text("a")).operation is None
    made = keep(vm, text("b"), operation)
    assert (made.operation, made.kind, made.actor_name) == (operation, "vm.eject", "carol")
    assert history.through(made) == "Eject the CD"
    assert keep(vm, text("c")).operation is None, "somebody outside, while it ran"


def test_the_watcher_may_be_faster_than_the_worker(vm: VirtualMachine, operation: Operation) -> None:
    assert history.through(keep(vm, text("a"))) == "outside the dashboard"
    assert keep(vm, text("a"), operation).operation == operation
    other = Operation.objects.create(
        kind="vm.rename", actor_name="dave", target_kind="vm", target_id=vm.pk, target_name=vm.name, vm=vm,
        node="node-a", queue="quick", state="running", started_at=timezone.now(),
    )  # fmt: skip
    assert keep(vm, text("a"), other).operation == operation, "it left what was there"


def test_what_was_there_before_is_not_taken_for_its_work(vm: VirtualMachine, operation: Operation) -> None:
    keep(vm, text("a"))
    Version.objects.update(at=timezone.now() - timedelta(minutes=1))
    assert keep(vm, text("a"), operation).operation is None


def test_the_oldest_go(vm: VirtualMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 3)
    for number in range(5):
        keep(vm, text(str(number)))
    assert list(history.versions(vm).values_list("number", flat=True)) == [5, 4, 3]
    monkeypatch.setattr(history, "MOST_CHARACTERS", 1000)
    keep(vm, text("x" * 900))
    assert list(history.versions(vm).values_list("number", flat=True)) == [6]
    keep(vm, text("x" * 1900))
    assert list(history.versions(vm).values_list("number", flat=True)) == [7], "the latest always stays"


def test_what_is_no_xml_is_another_version(vm: VirtualMachine) -> None:
    assert [keep(vm, xml).number for xml in ("<a", "<a", "<b")] == [1, 1, 2]
