"""A start from another device: the definition is another while it starts, and never afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakehost import STOPPED
from tests.operations.conftest import Stage
from tests.operations.test_worker import left_behind
from vms.errors import HostRefused, HostUnreachable
from vms.libvirtxml import DomainXML, boot_first, boot_order
from vms.models import Operation, OperationLock
from vms.operations.process import WorkerProcess

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]

DOCUMENT = """<domain><name>web-01</name><os><type>hvm</type>{kernel}<boot dev='hd'/></os><devices>
<disk type='file' device='disk'><source file='/a'/><target dev='vda'/></disk>
<disk type='file' device='cdrom'>{medium}<target dev='sda'/></disk></devices></domain>"""
BEFORE = {"os": ["hd"], "devices": {}}
CHANGED = {"os": [], "devices": {"disk 1": "1", "disk 0": "2"}}


def furnish(stage: Stage, *, medium: str = "<source file='/b.iso'/>", kernel: str = "") -> None:
    define(stage, DOCUMENT.format(medium=medium, kernel=kernel))


def define(stage: Stage, text: str) -> None:
    stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], next_boot_xml=text)


def order(stage: Stage) -> dict[str, Any]:
    return boot_order(DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml))


@pytest.fixture(autouse=True)
def keeps_its_document(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that changes leaves the definition alone, as on a real host."""
    real = stage.fake.set_state

    def set_state(identity: str, state: str) -> None:
        text = stage.fake.domains[identity].next_boot_xml
        real(identity, state)
        stage.fake.domains[identity] = replace(stage.fake.domains[identity], next_boot_xml=text)

    monkeypatch.setattr(stage.fake, "set_state", set_state)


def test_it_starts_with_the_cd_first_and_puts_the_order_back(stage: Stage, done: Done) -> None:
    furnish(stage)
    seen: list[dict[str, Any]] = []
    stage.fake.after["start"] = lambda: seen.append(order(stage))
    operation = done(stage.ask("vm.boot-cd"))
    assert operation.state == "succeeded", operation.details
    assert seen == [CHANGED]
    assert order(stage) == BEFORE
    assert stage.fake.calls == ["modify", "start", "modify"]
    assert [line.code for line in operation.log.all()] == ["claimed", "boot_order_changed", "boot_order_back", "seen"]


@pytest.mark.parametrize("refused", [HostRefused("no such disk"), STOPPED])
def test_a_start_that_fails_leaves_the_old_order(stage: Stage, done: Done, refused: Any) -> None:
    furnish(stage)
    stage.fake.fail["start"] = refused
    operation = done(stage.ask("vm.boot-cd"))
    assert (operation.state, operation.error_code) == ("failed", refused.code)
    assert order(stage) == BEFORE


@pytest.mark.parametrize(
    ("kind", "furniture", "error"),
    [
        ("vm.boot-cd", {"medium": ""}, "nothing_to_boot"),
        ("vm.boot-network", {}, "nothing_to_boot"),
        ("vm.boot-cd", {"kernel": "<kernel>/vmlinuz</kernel>"}, "boot_fixed"),
    ],
)
def test_what_cannot_be_booted_changes_nothing(
    stage: Stage, done: Done, kind: str, furniture: dict[str, str], error: str
) -> None:
    furnish(stage, **furniture)
    operation = done(stage.ask(kind))
    assert (operation.state, operation.error_code) == ("failed", error)
    assert stage.fake.calls == []


def test_a_wire_that_breaks_in_the_start_is_mended_and_judged(stage: Stage, done: Done) -> None:
    furnish(stage)

    def end() -> None:
        raise HostUnreachable("it broke")

    stage.fake.after["start"] = end
    operation = done(stage.ask("vm.boot-cd"))
    assert operation.state == "succeeded"
    assert order(stage) == BEFORE


def dead(stage: Stage) -> Operation:
    """A worker that died after it had changed the order."""
    furnish(stage)
    operation = left_behind(stage, "vm.boot-cd", asked=True)
    before = {**Operation.objects.get().before, "order": BEFORE, "changed": CHANGED, "fixed": False}
    Operation.objects.update(before=before)
    document = DomainXML.parse(stage.fake.domains[stage.uuid].next_boot_xml)
    boot_first(document, "cd")
    define(stage, document.text)
    return operation


@pytest.mark.parametrize(("runs", "state"), [(True, "succeeded"), (False, "failed")])
def test_what_a_dead_worker_changed_is_put_back(stage: Stage, worker: WorkerProcess, runs: bool, state: str) -> None:
    operation = dead(stage)
    if runs:
        stage.fake.runs += 1
        stage.fake.set_state(stage.uuid, "running")
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == state
    assert order(stage) == BEFORE
    assert not OperationLock.objects.exists()
    assert "start" not in stage.fake.calls


def test_what_somebody_set_meanwhile_is_left(stage: Stage, worker: WorkerProcess) -> None:
    operation = dead(stage)
    define(stage, DOCUMENT.format(medium="", kernel="").replace("dev='hd'", "dev='network'"))
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "failed"
    assert order(stage) == {"os": ["network"], "devices": {}}


def test_an_order_that_cannot_be_put_back_is_said(stage: Stage, worker: WorkerProcess) -> None:
    operation = dead(stage)
    stage.fake.fail["modify"] = HostRefused("no")
    worker.reconcile()
    operation.refresh_from_db()
    assert operation.state == "unknown"
    assert "boot_order_changed_still" in operation.log.values_list("code", flat=True)
