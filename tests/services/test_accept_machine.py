"""Another UUID answers: an administrator says that it is the same host, and only for the UUID that answers."""

from __future__ import annotations

import uuid

import pytest

from vms.errors import BadParameters, NotAllowed
from vms.models import AuditEvent, Host, User
from vms.permissions import Actor
from vms.services import host_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
FOUND = "6d1f6a53-5f0c-4c39-9b0e-5f5b6f4c2f11"


@pytest.fixture
def strange(host: Host) -> Host:
    params = {"expected": str(host.libvirt_uuid), "found": FOUND}
    Host.objects.filter(pk=host.pk).update(error_code="wrong_host", error_params=params)
    return Host.objects.get(pk=host.pk)


def test_it_is_the_host_from_then_on(strange: Host, actor: Actor) -> None:
    host_changes.accept_machine(actor, strange, FOUND)
    now = Host.objects.get(pk=strange.pk)
    assert (str(now.libvirt_uuid), now.error_code, now.error_params) == (FOUND, "", {})
    event = AuditEvent.objects.get(action="accepted:machine")
    assert event.facts["now"] == FOUND


def test_another_uuid_than_the_one_that_answers_is_refused(strange: Host, actor: Actor) -> None:
    with pytest.raises(BadParameters):
        host_changes.accept_machine(actor, strange, str(uuid.uuid4()))
    Host.objects.filter(pk=strange.pk).update(error_code="port_closed")
    with pytest.raises(BadParameters):
        host_changes.accept_machine(actor, strange, FOUND)
    assert str(Host.objects.get(pk=strange.pk).libvirt_uuid) != FOUND


def test_one_that_is_another_row_is_left_to_the_watcher_to_tell(strange: Host, actor: Actor) -> None:
    Host.objects.create(name="other", transport="ssh", address="192.0.2.9", libvirt_uuid=FOUND)
    host_changes.accept_machine(actor, strange, FOUND)
    assert Host.objects.get(pk=strange.pk).libvirt_uuid is None


def test_nobody_else_may(strange: Host, mallory: User) -> None:
    with pytest.raises(NotAllowed):
        host_changes.accept_machine(Actor(mallory), strange, FOUND)
