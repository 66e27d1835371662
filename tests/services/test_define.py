"""Definitions that administrators write: what is made of them, what is told before, and what is refused."""

from __future__ import annotations

import uuid

import pytest

from tests.conftest import make_vm
from tests.libvirtxml.test_blame import GOOD, QEMU
from vms.errors import BadDefinition, BadParameters, Locked, NotAllowed, OverQuota
from vms.libvirtxml import DomainXML
from vms.models import Document, Grant, Host, Operation, Placement, Quota, User, VirtualMachine
from vms.permissions import Actor
from vms.services import define

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

OWN = "11111111-2222-3333-4444-555555555555"
ENTRY = f"<sysinfo type='smbios'><system><entry name='uuid'>{OWN}</entry></system></sysinfo>"
WITH_UUID = GOOD.replace("<memory>", f"<uuid>{OWN}</uuid>{ENTRY}<memory>")


def wrong(actor: Actor, host: Host, text: str) -> list[tuple[int, str]]:
    with pytest.raises(BadDefinition) as refused:
        define.draft(actor, host, text)
    told = refused.value.faults
    assert all(define.words(fault) for fault in told) and refused.value.params == {"faults": len(told)}
    return [(line, code) for line, code, _ in told]


def codes(actor: Actor, host: Host, text: str) -> list[str]:
    return [each.code for each in define.draft(actor, host, text).warnings]


def test_what_would_be_made_is_told(host: Host, actor: Actor) -> None:
    draft = define.draft(actor, host, GOOD.replace("<os>", "<vcpu current='1'>4</vcpu><os>"))
    assert draft.name == "x" and draft.takes == {"vms": 1, "vcpus": 4, "memory_kib": 1024}
    assert draft.has.disks == [["path", "/x", ""]]
    assert "devices/disk[vda]/source" in draft.roots and draft.more == 0
    assert not VirtualMachine.objects.exists() and not Operation.objects.exists()


def test_a_uuid_is_never_a_requests(host: Host, actor: Actor) -> None:
    draft = define.draft(actor, host, WITH_UUID)
    assert OWN not in draft.document.text and "uuid_replaced" in [each.code for each in draft.warnings]
    assert "uuid_replaced" not in codes(actor, host, GOOD)
    operation = define.define(actor, host, WITH_UUID)
    placement = Placement.objects.get(vm=operation.vm)
    assert str(placement.uuid) != OWN and not placement.present
    assert OWN not in str(operation.params) and operation.sealed and "domain" not in operation.sealed


def test_a_mac_and_a_disk_of_another_vm_are_told(host: Host, actor: Actor) -> None:
    other = make_vm(host, "other")
    Placement.objects.filter(vm=other).update(search="other 52:54:00:aa:bb:cc")
    Document.objects.filter(placement__vm=other).update(sources=[["path", "/x", "raw"]])
    card = GOOD.replace("<source network", '<mac address="52:54:00:AA:BB:CC"/><source network')
    told = {each.code: dict(each.params) for each in define.draft(actor, host, card).warnings}
    assert told["mac_taken"] == {"mac": "52:54:00:aa:bb:cc", "by": "other", "others": 0}
    assert told["source_used"] == {"source": "/x", "by": "other", "others": 0}
    shared = GOOD.replace('<source file="/x"/>', '<source file="/x"/><shareable/>')
    assert "source_used" not in codes(actor, host, shared)


@pytest.mark.parametrize(
    ("was", "is_now", "told"),
    [
        (">x<", ">../x<", [(2, "name")]),
        (">x<", "> <", [(2, "name")]),
        (">x<", f">{'x' * 81}<", [(2, "name")]),
        ("<memory>1024</memory>", "", [(1, "memory")]),
        ("<memory>1024</memory>", "<memory>0</memory>", [(3, "memory")]),
        ("<memory>1024</memory>", "<memory unit='TiB'>9999999999999999</memory>", [(3, "memory")]),
    ],
)
def test_what_the_schema_lets_through_and_no_host_has(
    host: Host, actor: Actor, was: str, is_now: str, told: list[tuple[int, str]]
) -> None:
    assert wrong(actor, host, GOOD.replace(was, is_now)) == told


def test_without_a_schema_to_ask_numbers_are_numbers_that_columns_hold(
    host: Host, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(define, "blame", lambda text: [])
    for number in ("0", "-1", str(2**40), "9" * 30):
        assert wrong(actor, host, GOOD.replace("<os>", f"<vcpu>{number}</vcpu><os>")) == [(4, "cpus")]


def test_a_name_is_taken_once(host: Host, actor: Actor) -> None:
    make_vm(host, "taken")
    assert wrong(actor, host, GOOD.replace(">x<", ">taken<")) == [(2, "taken")]
    define.define(actor, host, GOOD)
    assert wrong(actor, host, GOOD) == [(2, "taken")]
    VirtualMachine.objects.filter(name="x").update(deleted_at="2026-01-01T00:00:00Z")
    with pytest.raises(Locked):
        define.define(actor, host, GOOD)


def test_it_is_its_makers_and_counts(host: Host, actor: Actor) -> None:
    Quota.objects.create(user=actor.user, memory_kib=1500)
    operation = define.define(actor, host, GOOD)
    assert operation.vm and operation.vm.charged_user == actor.user
    assert Grant.objects.get(vm=operation.vm).role.name == "owner"
    with pytest.raises(OverQuota):
        define.define(actor, host, GOOD.replace(">x<", ">y<"))
    assert VirtualMachine.objects.count() == 1


def test_only_administrators_may(host: Host) -> None:
    bob = User.objects.create(username="bob")
    with pytest.raises(NotAllowed):
        define.draft(Actor(bob), host, "")


def test_the_same_key_asks_once(host: Host, actor: Actor) -> None:
    first = define.define(actor, host, GOOD, idempotency_key="k")
    assert define.define(actor, host, GOOD, idempotency_key="k") == first
    for text in (GOOD.replace(">x<", ">y<"), ""):
        with pytest.raises(BadParameters):
            define.define(actor, host, text, idempotency_key="k")
    assert Operation.objects.count() == 1


def test_nothing_secret_is_in_a_row(host: Host, actor: Actor) -> None:
    screen = '<graphics type="vnc" passwd="canary"/></devices>'
    args = f'{QEMU}><qemu:commandline><qemu:arg value="canary"/></qemu:commandline>'
    text = GOOD.replace("</devices>", screen).replace('type="kvm">', f'type="kvm" {args}')
    draft = define.draft(actor, host, text)
    assert "commandline" in draft.roots
    operation = define.define(actor, host, text)
    rows = [str(model.objects.values()) for model in (Operation, Placement, Document, VirtualMachine)]
    assert "canary" not in "".join(rows)
    other = define.digest(text.replace("canary", "another"))
    assert operation.params == {"asked": other}, "a digest of a password could be searched"


def test_a_uuid_is_written_where_it_belongs() -> None:
    document = DomainXML.parse(WITH_UUID)
    new = str(uuid.uuid4())
    define.give_identity(document, new)
    assert document.text.count(new) == 2 and OWN not in document.text
