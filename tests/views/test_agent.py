"""What a guest reports, as its page shows it, and who may ask it for what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms.models import (
    AgentReport,
    Document,
    Freeze,
    GuestKeys,
    Host,
    Operation,
    Placement,
    Storage,
    User,
    VirtualMachine,
    Volume,
)
from vms.services import agent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'{}/></channel>"
DOCUMENT = "<domain><name>web-01</name><devices>{}</devices></domain>"
NONE = DOCUMENT.format("")
DEFINED, AWAY, THERE = (
    DOCUMENT.format(CHANNEL.format(state)) for state in ("", " state='disconnected'", " state='connected'")
)
FACTS: dict[str, Any] = {
    "host_name": "web-7<script>",
    "system": "Debian GNU/Linux 12",
    "version": "12",
    "kernel": "6.1",
    "machine": "x86_64",
    "time_zone": "CET",
    "ahead_seconds": -90,
    "cards": [{"name": "eth0", "mac": "52:54:00:00:00:07", "addresses": ["192.0.2.7/24"]}],
    "file_systems": [
        {"mounted_at": "/", "type": "ext4", "disks": ["vda"], "total_bytes": 2 << 30, "used_bytes": 1 << 30}
    ],
    "users": [{"name": "anna", "domain": "", "since": 1_700_000_000}, {"name": "b", "domain": "", "since": 1 << 62}],
    "left_out": 3,
}


@pytest.fixture
def told(host: Host) -> VirtualMachine:
    """It runs, and its guest has told of itself."""
    made = make_vm(host, "web-01", "running")
    Placement.objects.filter(current_of=made).update(run_id=1)
    Document.objects.update(live=THERE, next_boot=DEFINED)
    placement = Placement.objects.get(current_of=made)
    now = timezone.now()
    AgentReport.objects.create(placement=placement, run_id=1, asked_at=now, told_at=now, facts=FACTS)
    return made


def page(client: Client, vm: VirtualMachine) -> str:
    answer = client.get(f"/vms/{vm.pk}/agent/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_it_reports_is_shown_as_the_guests_word(client_alice: Client, told: VirtualMachine) -> None:
    shown = page(client_alice, told)
    assert "reported by the guest" in shown
    for word in ("web-7&lt;script&gt;", "192.0.2.7/24", "1 GiB of 2 GiB used", "90 seconds behind", "3 more things"):
        assert word in shown, word
    assert "<script>" not in shown.partition("<main")[2]


def test_what_an_earlier_run_told_is_not_shown(client_alice: Client, told: VirtualMachine) -> None:
    Placement.objects.filter(current_of=told).update(run_id=2)
    shown = page(client_alice, told)
    assert "has told nothing yet" in shown and "192.0.2.7" not in shown


@pytest.mark.parametrize(
    ("live", "then", "run", "channel", "says"),
    [
        (NONE, NONE, 1, "none", "Add the channel"),
        (NONE, DEFINED, 1, "next_start", "from its next start on"),
        ("", DEFINED, None, "off", "does not run"),
        ("", NONE, None, "none", "Add the channel"),
        (AWAY, DEFINED, 1, "away", "qemu-guest-agent"),
    ],
)
def test_where_nothing_is_told_it_says_why(
    client_alice: Client, told: VirtualMachine, live: str, then: str, run: int | None, channel: str, says: str
) -> None:
    Document.objects.update(live=live, next_boot=then)
    Placement.objects.filter(current_of=told).update(run_id=run, state="running" if run else "shut_off")
    assert says in page(client_alice, told)
    assert client_alice.get(f"/api/v1/vms/{told.pk}/agent").json()["channel"] == channel
    # Nobody is there to be asked.
    assert "agent/freeze/" not in page(client_alice, told)


def test_why_it_did_not_answer_stands_beside_what_it_told_before(client_alice: Client, told: VirtualMachine) -> None:
    AgentReport.objects.update(error_code="agent_silent")
    shown = page(client_alice, told)
    assert "gave no answer in time" in shown and "192.0.2.7" in shown


def test_frozen_since_is_said_to_everybody_who_sees_it(client_alice: Client, told: VirtualMachine) -> None:
    now = timezone.now()
    Freeze.objects.create(
        vm=told, run_id=1, asked_at=now, frozen_at=now, seconds=60, thaw_at=now, error_code="agent_silent"
    )
    shown = page(client_alice, told)
    assert "are frozen since" in shown and "agent/thaw/" in shown and "did not succeed" in shown
    assert client_alice.get(f"/api/v1/vms/{told.pk}/agent").json()["frozen"]["error"] == "agent_silent"


def test_each_role_has_its_part(told: VirtualMachine, mallory: User) -> None:
    GuestKeys.objects.create(
        vm=told, user="anna", read_at=timezone.now(),
        keys=[{"type": "ssh-ed25519", "fingerprint": "SHA256:abc", "comment": "anna@desk"}],
    )  # fmt: skip
    client = sign_in(mallory)
    grant(mallory, "viewer", told)
    assert client.get(f"/vms/{told.pk}/agent/").status_code == 403
    assert f"/vms/{told.pk}/agent/" not in client.get(f"/vms/{told.pk}/").content.decode()
    grant(mallory, "operator", told)
    shown = page(client, told)
    assert "agent/freeze/" in shown and "agent/password/" not in shown and "SHA256:abc" not in shown
    assert client.get(f"/api/v1/vms/{told.pk}/agent").json()["keys"] == []
    grant(mallory, "owner", told)
    shown = page(client, told)
    assert "agent/password/" in shown and "SHA256:abc" in shown
    [keys] = client.get(f"/api/v1/vms/{told.pk}/agent").json()["keys"]
    assert keys["keys"][0]["comment"] == "anna@desk"


def test_nobody_may_run_programs_in_it(told: VirtualMachine, client_alice: Client) -> None:
    answer = client_alice.post(f"/api/v1/vms/{told.pk}/agent/exec", "{}", content_type="application/json")
    assert answer.status_code == 404
    assert "exec" not in page(client_alice, told)


def test_what_is_refused_is_said_and_never_shown_again(client_alice: Client, told: VirtualMachine) -> None:
    path = f"/vms/{told.pk}/agent"
    answer = client_alice.post(f"{path}/password/", {"user": "a:b", "password": "kept-nowhere-7"})
    text = answer.content.decode()
    assert answer.status_code == 400 and "A user of the guest" in text and "kept-nowhere-7" not in text
    answer = client_alice.post(f"{path}/ssh-keys/", {"user": "anna", "keys": "-----BEGIN OPENSSH PRIVATE KEY-----"})
    text = answer.content.decode()
    assert answer.status_code == 400 and "This is a private key" in text and "BEGIN OPENSSH" not in text
    answer = client_alice.post(f"{path}/freeze/", {"seconds": "601"})
    assert answer.status_code == 400 and "From 5 to 600 seconds" in answer.content.decode()
    assert not Operation.objects.exists()


def test_a_password_keeps_its_blanks(client_alice: Client, told: VirtualMachine) -> None:
    assert client_alice.post(
        f"/vms/{told.pk}/agent/password/", {"user": "anna", "password": " kept "}
    ).status_code == 302  # fmt: skip
    operation = Operation.objects.get()
    assert operation.params == {"user": "anna"} and operation.sealed


def test_a_larger_disk_says_that_the_guest_may_need_to_grow(told: VirtualMachine) -> None:
    volume = Volume(storage=Storage(), name="web.qcow2", capacity_bytes=2 << 30)
    found = agent.on_disk(told, "vda", volume, may_view=True)
    assert (len(found.file_systems), found.larger) == (1, False)
    volume.capacity_bytes = 4 << 30
    assert agent.on_disk(told, "vda", volume, may_view=True).larger
    for target, may_view in (("vdb", True), ("vda", False)):
        silent = agent.on_disk(told, target, volume, may_view=may_view)
        assert (silent.file_systems, silent.larger) == ([], False)


def test_after_a_grow_it_is_said_also_without_the_guest(told: VirtualMachine, host: Host) -> None:
    volume = Volume.objects.create(storage=Storage.objects.create(), name="web.qcow2", capacity_bytes=2 << 30)
    grown = Operation.objects.create(
        kind="volume.grow", actor_name="a", target_kind="volume", target_id=volume.pk, target_name="x", host=host,
        node="n", queue="quick", state="succeeded", ended_at=timezone.now(),
    )  # fmt: skip
    assert agent.on_disk(told, "vdb", volume, may_view=True).larger
    Operation.objects.filter(pk=grown.pk).update(ended_at=timezone.now() - timedelta(days=8))
    assert not agent.on_disk(told, "vdb", volume, may_view=True).larger
