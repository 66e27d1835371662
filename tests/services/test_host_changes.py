"""What an administrator does with hosts: rows, audit and announcements together; a removed one vanishes and is kept."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from django.conf import settings
from django.utils import timezone

from tests.data.pem import make_pair
from vms.errors import BadFields, KeyNotOffered, Locked, NotAllowed
from vms.kinds import KINDS
from vms.models import AuditEvent, Host, Lease, Placement, User, VirtualMachine
from vms.permissions import Actor, visible_hosts, visible_vms
from vms.services import host_changes, host_keys, operations
from vms.services.certificates import fingerprint
from vms.services.overview import counts, host_lines, tally
from vms.virt.unsealing import unseal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

SSH = {"name": "kvm2", "transport": "ssh", "address": "kvm2.example.org"}
SHOWN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbMx3Q4N1s7pVhQ0cJ0Xr0m8q6a1aQyH4kq8o2kI3mA"


@pytest.fixture
def ssh_host(actor: Actor) -> Host:
    return host_changes.add(actor, SSH)


def told() -> AuditEvent:
    return AuditEvent.objects.latest("pk")


def key_of(host: Host) -> str:
    return unseal(host.sealed, host.sealed_for, str(settings.ENVIRONMENT.key_file))


def test_a_host_over_ssh_gets_a_key_of_its_own(actor: Actor, ssh_host: Host) -> None:
    other = host_changes.add(actor, {**SSH, "name": "kvm3"})
    for host in (ssh_host, other):
        private = load_ssh_private_key(key_of(host).encode(), None)
        assert private.public_key().public_bytes_raw() == (  # type: ignore[union-attr]
            load_ssh_public_key(host.public_key.encode()).public_bytes_raw()  # type: ignore[union-attr]
        )
    assert ssh_host.public_key != other.public_key
    assert (ssh_host.host_key, ssh_host.node, ssh_host.user) == ("", "", "root")


def test_the_line_admits_the_key_and_nothing_more(ssh_host: Host) -> None:
    line = host_keys.admitting_line(ssh_host.public_key)
    assert f"echo 'restrict,port-forwarding {ssh_host.public_key}' >> ~/.ssh/authorized_keys" in line
    assert ssh_host.public_key.count("'") == 0 and "\n" not in line


def test_a_fingerprint_is_ssh_keygens(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(SHOWN + "\n")
    said = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert host_keys.fingerprint(SHOWN) in said.stdout
    assert [host_keys.fingerprint(text) for text in ("", "ssh-rsa", "ssh-rsa !!!")] == ["", "", ""]


def test_everything_is_told_once_with_who_and_what(actor: Actor, ssh_host: Host) -> None:
    assert (told().action, told().user, told().target) == ("added:host", actor.user, f"host:{ssh_host.pk}")
    host_changes.edit(actor, ssh_host, {"port": 2222})
    assert (told().action, told().facts) == (
        "edited:host", {"before": {"port": None}, "after": {"port": 2222}}
    )  # fmt: skip
    before = AuditEvent.objects.count()
    host_changes.edit(actor, ssh_host, {"port": 2222})
    host_changes.refuse_key(actor, ssh_host)
    host_changes.take_up(actor, ssh_host)
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    "do",
    [
        lambda actor, host: host_changes.add(actor, {**SSH, "name": "x"}),
        lambda actor, host: host_changes.edit(actor, host, {"name": "x"}),
        lambda actor, host: host_changes.accept_key(actor, host, host_keys.fingerprint(SHOWN)),
        host_changes.refuse_key,
        host_changes.make_key,
        host_changes.leave_alone,
        host_changes.take_up,
        host_changes.remove,
    ],
    ids=["add", "edit", "accept", "refuse", "make-key", "leave-alone", "take-up", "remove"],
)
def test_only_an_administrator(do: Callable[[Actor, Host], object], ssh_host: Host, mallory: User) -> None:
    Host.objects.filter(pk=ssh_host.pk).update(offered_key=SHOWN)
    before = list(Host.objects.values())
    with pytest.raises(NotAllowed):
        do(Actor(mallory), ssh_host)
    assert list(Host.objects.values()) == before


def test_a_key_is_accepted_by_its_whole_fingerprint(actor: Actor, ssh_host: Host) -> None:
    right = host_keys.fingerprint(SHOWN)
    for offered, given in (("", right), ("", ""), (SHOWN, ""), (SHOWN, right[:-1]), (SHOWN, right + "="), (SHOWN, "ü")):
        Host.objects.filter(pk=ssh_host.pk).update(offered_key=offered)
        with pytest.raises(KeyNotOffered):
            host_changes.accept_key(actor, ssh_host, given)
        assert Host.objects.get(pk=ssh_host.pk).host_key == ""
    host_changes.accept_key(actor, ssh_host, f" {right}\n")
    kept = Host.objects.get(pk=ssh_host.pk)
    assert (kept.host_key, kept.offered_key) == (SHOWN, "")
    assert told().facts == {"fingerprint": right, "was": ""}


def test_a_key_that_is_refused_leaves_the_accepted_one(actor: Actor, ssh_host: Host) -> None:
    Host.objects.filter(pk=ssh_host.pk).update(host_key="ssh-ed25519 AAAA", offered_key=SHOWN)
    host_changes.refuse_key(actor, ssh_host)
    kept = Host.objects.get(pk=ssh_host.pk)
    assert (kept.host_key, kept.offered_key) == ("ssh-ed25519 AAAA", "")


@pytest.mark.parametrize(
    ("change", "kept"),
    [({"name": "x"}, True), ({"user": "ops"}, True), ({"address": "192.0.2.7"}, False), ({"port": 2222}, False)],
)
def test_where_another_machine_may_answer_its_key_is_compared_anew(
    actor: Actor, ssh_host: Host, change: dict[str, Any], kept: bool
) -> None:
    Host.objects.filter(pk=ssh_host.pk).update(host_key=SHOWN)
    changed = host_changes.edit(actor, ssh_host, change)
    assert bool(changed.host_key) is kept
    assert changed.sealed == ssh_host.sealed


def test_another_way_takes_no_key_along(actor: Actor, ssh_host: Host) -> None:
    Host.objects.filter(pk=ssh_host.pk).update(host_key=SHOWN)
    changed = host_changes.edit(actor, ssh_host, {"transport": "tcp", "unencrypted": True})
    assert (changed.host_key, changed.public_key, changed.sealed) == ("", "", "")
    back = host_changes.edit(actor, changed, {"transport": "ssh"})
    assert back.public_key and back.public_key != ssh_host.public_key and key_of(back)


def test_a_given_key_is_sealed_and_a_new_one_replaces_it(actor: Actor) -> None:
    pair, new = make_pair(), make_pair()
    tls = {"name": "t", "transport": "tls", "address": "t.example", "ca_certificate": pair.certificate}
    host = host_changes.add(actor, {**tls, "certificate": pair.certificate, "private_key": pair.key})
    assert "PRIVATE KEY" in key_of(host) and "PRIVATE KEY" not in str(Host.objects.values().get(pk=host.pk))
    sealed = host.sealed
    assert host_changes.edit(actor, host, {"name": "u"}).sealed == sealed
    host = host_changes.edit(actor, host, {"certificate": new.certificate, "private_key": new.key})
    assert host.sealed != sealed
    prints = [fingerprint(each.certificate) for each in (pair, new)]
    assert told().facts == {
        "before": {"certificate": prints[0], "private_key": "(secret)"},
        "after": {"certificate": prints[1], "private_key": "(secret)"},
    }


def test_a_new_key_replaces_the_old_one(actor: Actor, ssh_host: Host) -> None:
    before = key_of(ssh_host)
    host_changes.make_key(actor, Host.objects.get(pk=ssh_host.pk))
    renewed = Host.objects.get(pk=ssh_host.pk)
    assert renewed.public_key != ssh_host.public_key and told().action == "made:host-key"
    assert key_of(renewed) != before


def test_nothing_of_a_refused_host_is_kept(actor: Actor) -> None:
    with pytest.raises(BadFields):
        host_changes.add(actor, {**SSH, "port": 0})
    assert not Host.objects.exists() and not AuditEvent.objects.exists()


def test_a_removed_host_vanishes_with_its_vms_and_keeps_its_rows(
    actor: Actor, alice: User, host: Host, vm: VirtualMachine
) -> None:
    Lease.objects.create(host=host, watcher="w", until=timezone.now())
    host_changes.remove(actor, host)
    assert not visible_hosts(alice).exists() and not visible_vms(alice).exists()
    assert host_lines(visible_hosts(alice), tally(alice)) == []
    assert counts(alice, tally(alice)) == [("running", 0), ("shut_off", 0)]
    assert VirtualMachine.objects.filter(pk=vm.pk, deleted_at=None).exists()
    assert Placement.objects.get().gone_at and not Placement.objects.get().present
    assert not Lease.objects.exists() and told().action == "removed:host"
    host_changes.remove(actor, host)
    assert AuditEvent.objects.count() == 1


def test_a_removed_host_keeps_no_key(actor: Actor, ssh_host: Host) -> None:
    Host.objects.filter(pk=ssh_host.pk).update(host_key=SHOWN, offered_key=SHOWN)
    host_changes.remove(actor, ssh_host)
    kept = Host.objects.get(pk=ssh_host.pk)
    assert [kept.sealed, kept.public_key, kept.host_key, kept.offered_key] == [""] * 4
    assert host_changes.add(actor, SSH).name == "kvm2"


def test_a_vm_that_stands_elsewhere_too_is_there_now(actor: Actor, alice: User, host: Host, vm: VirtualMachine) -> None:
    other = Host.objects.create(name="host-b")
    there = Placement.objects.create(vm=vm, host=other, uuid=vm.placement.uuid, name="web-01", state="running")  # type: ignore[union-attr]
    host_changes.remove(actor, host)
    assert visible_vms(alice).get().placement == there


def test_a_host_that_is_worked_on_stays(actor: Actor, host: Host, vm: VirtualMachine) -> None:
    operation = operations.request(KINDS["vm.pause"], vm, actor=actor)
    with pytest.raises(Locked) as refused:
        host_changes.remove(actor, host)
    assert refused.value.params["operation"] == operation.pk
    assert Host.objects.get().removed_at is None


def test_left_alone_and_taken_up_again(actor: Actor, host: Host) -> None:
    host_changes.leave_alone(actor, host)
    assert Host.objects.get().left_alone and told().action == "left-alone:host"
    host_changes.take_up(actor, host)
    assert not Host.objects.get().left_alone and told().action == "taken-up:host"


def test_each_change_is_announced_after_its_commit(
    actor: Actor, host: Host, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    names: list[str] = []
    monkeypatch.setattr("vms.live.announcer", lambda: type("A", (), {"send": lambda self, some: names.extend(some)})())
    with django_capture_on_commit_callbacks(execute=True):
        host_changes.leave_alone(actor, host)
        assert names == []
    assert names == [f"host:{host.pk}", "vms:*"]
