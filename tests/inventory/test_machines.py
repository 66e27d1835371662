"""One machine is one row, and comes back as the row that it was."""

from __future__ import annotations

import uuid

import pytest
from django.conf import settings
from django.utils import timezone

from tests.conftest import make_vm
from vms.errors import SameMachine, WrongHost
from vms.inventory import LeaseLost, Term, recognise
from vms.models import Happening, Host, Lease, Operation, Placement
from vms.services import sealing
from vms.virt import unseal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
KNOWN = str(uuid.UUID(int=0xA))


class Machine:
    def __init__(self, identity: str) -> None:
        self.identity = identity

    def uuid(self) -> str:
        return self.identity


def added(**fields: object) -> Term:
    """A host that was just entered, with its lease."""
    made = Host.objects.create(**{"name": "entered", "transport": "ssh", "address": "192.0.2.7", **fields})
    Lease.objects.create(host=made, watcher="w", until=timezone.now())
    return Term(made, "w", 1)


def test_a_machine_is_remembered_from_the_first_time_on(host: Host) -> None:
    term = added()
    new = str(uuid.uuid4())
    recognise(term, Machine(new))
    assert str(Host.objects.get(pk=term.host.pk).libvirt_uuid) == new
    recognise(term, Machine(new))
    with pytest.raises(WrongHost):
        recognise(term, Machine(str(uuid.uuid4())))


def test_a_machine_without_uuid_is_not_compared(host: Host) -> None:
    term = added()
    recognise(term, Machine(""))
    assert Host.objects.get(pk=term.host.pk).libvirt_uuid is None


def test_a_machine_that_is_there_already_is_refused_by_name(host: Host) -> None:
    term = added()
    with pytest.raises(SameMachine) as told:
        recognise(term, Machine(KNOWN))
    assert told.value.params == {"host": host.name, "host_id": host.pk}
    assert Host.objects.get(pk=term.host.pk).libvirt_uuid is None


def test_its_other_hypervisor_is_another_host(host: Host) -> None:
    term = added(driver="lxc")
    recognise(term, Machine(KNOWN))
    assert str(Host.objects.get(pk=term.host.pk).libvirt_uuid) == KNOWN


def test_one_that_was_removed_comes_back_with_all_that_hangs_on_it(host: Host) -> None:
    vm = make_vm(host)
    Happening.objects.create(host=host, code="host_silent")
    Host.objects.update(removed_at=timezone.now(), error_code="port_closed", sealed="of long ago")
    term = added(name="host-a", user="ops", host_key="ssh-ed25519 AAAA", port=2222)
    new = term.host
    Host.objects.filter(pk=new.pk).update(sealed=sealing.seal("the new key", new.sealed_for))
    asked = Operation.objects.create(
        kind="host.test", target_kind="host", target_id=new.pk, host=new, actor_name="alice", queue="quick"
    )
    with pytest.raises(LeaseLost):
        recognise(term, Machine(KNOWN))
    back = Host.objects.get()
    assert (back.pk, back.name, back.transport, back.user, back.port, back.removed_at, back.error_code) == (
        host.pk, "host-a", "ssh", "ops", 2222, None, "",
    )  # fmt: skip
    assert unseal(back.sealed, back.sealed_for, str(settings.ENVIRONMENT.key_file)) == "the new key"
    assert Placement.objects.get(current_of=vm).host == back
    asked.refresh_from_db()
    assert (asked.host, asked.target_id) == (back, back.pk)
    assert {happening.code for happening in back.happenings.all()} == {"host_silent", "host_returned"}


def test_nothing_is_written_when_the_lease_is_another_s(host: Host) -> None:
    term = added()
    Lease.objects.update(epoch=9)
    with pytest.raises(LeaseLost):
        recognise(term, Machine(str(uuid.uuid4())))
    assert Host.objects.get(pk=term.host.pk).libvirt_uuid is None


def test_this_machine_is_itself_whatever_uuid_its_libvirt_makes_up() -> None:
    term = added(transport="local", machine=settings.ENVIRONMENT.machine)
    for number in (1, 2):
        made_up = str(uuid.UUID(int=number))
        term = Term(Host.objects.get(pk=term.host.pk), term.watcher, term.epoch)
        recognise(term, Machine(made_up))
        found = Host.objects.get(pk=term.host.pk)
        assert str(found.libvirt_uuid) == made_up
        assert found.spec_fields()["uuid"] == ""


def test_another_machine_with_the_same_node_name_is_not_this_one() -> None:
    term = added(transport="local", machine="of another")
    recognise(term, Machine(str(uuid.UUID(int=1))))
    assert Host.objects.get(pk=term.host.pk).spec_fields()["uuid"] == str(uuid.UUID(int=1))
    with pytest.raises(WrongHost):
        recognise(term, Machine(str(uuid.UUID(int=2))))
