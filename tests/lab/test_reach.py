"""Machines reached over ssh, TLS and TCP for real: watched, worked on, refused, hung, added twice, left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import libvirt
import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone
from lxml import etree
from lxml.builder import E

from kvmweb.second.namespaces import children
from tests.lab.certificates import Authority
from tests.lab.doors import STRANGER
from tests.lab.far import row, ssh_key
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from vms import errors
from vms.demo.guest import Guest
from vms.kinds import KINDS
from vms.models import Happening, Host, Operation, Placement, User
from vms.operations.process import WorkerProcess
from vms.permissions import Actor
from vms.services import operations, sealing
from vms.services.host_check import checked
from vms.virt import HostSpec, connect, fingerprint, offered_key, open_connection, tunnel, tunnel_to_socket, unseal
from vms.watcher import Watcher, process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture(scope="module")
def far_guest(far_host: LabHost, guest_files: Guest) -> Iterator[LabGuest]:
    """One VM on the other machine, off."""
    factory = Guests(far_host, guest_files)
    yield factory.make("far-01")
    factory.remove_all()


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    """Signed on; its clocks do not run."""
    made = WorkerProcess(node="node-a")
    yield made
    made.pool.shutdown()
    made.connections.close()


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    monkeypatch.setattr(process, "TURN", 0.2)
    made = Watcher(node="node-a")

    def run() -> None:
        made.run()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield made
    made.stop()
    thread.join()


@pytest.fixture
def ask(worker: WorkerProcess, actor: Actor) -> Callable[..., Operation]:
    """The operation of that kind after the worker has had it."""

    def do(kind: str, target: Any) -> Operation:
        operation = operations.request(KINDS[kind], target, actor=actor)
        worker.take(operation.pk)
        operation.refresh_from_db()
        return operation

    return do


def spec(host: Host) -> HostSpec:
    return HostSpec(**host.spec_fields())


def now(host: Host) -> Host:
    return Host.objects.get(pk=host.pk)


def error(host: Host, code: str) -> Host:
    """The row, once the watcher has said so."""
    eventually(lambda: now(host).error_code == code, f"{host.name} is said to be {code}")
    return now(host)


def seen(guest: LabGuest, host: Host) -> Placement:
    """What the watcher stored of it."""
    mine = Placement.objects.filter(host=host, uuid=guest.uuid)
    return eventually(lambda: mine.select_related("vm").first(), f"{guest.name} is listed on {host.name}")


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """They stand still meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def of(machine: LabHost, program: str) -> list[int]:
    return [pid for pid, name in machine.programs().items() if name == program]


@contextmanager
def without(machine: LabHost, *programs: str) -> Iterator[None]:
    """As if these were not installed there."""
    paths = [f"/usr/bin/{name}" for name in programs]
    for path in paths:
        machine.run("mount", "--bind", "/dev/null", path)
    try:
        yield
    finally:
        for path in paths:
            machine.run("umount", path)


@contextmanager
def without_libvirtd(machine: LabHost) -> Iterator[None]:
    """It has ended, and nobody starts it again."""
    with stopped([machine.first_pid]):
        os.kill(machine.pid("libvirtd"), signal.SIGKILL)
        eventually(lambda: not answers(machine), "libvirtd has ended")
        yield
    machine.wait_until_it_answers()


def answers(machine: LabHost) -> bool:
    try:
        machine.connect().close()
    except libvirt.libvirtError:
        return False
    return True


@pytest.mark.parametrize("transport", ["ssh", "tls", "tcp"])
def test_each_way_lists_its_vms_and_starts_one(
    far_host: LabHost, far_guest: LabGuest, watcher: Watcher, ask: Callable[..., Operation], transport: str
) -> None:
    host = row(far_host, transport)
    placement = seen(far_guest, host)
    assert placement.state == "shut_off"
    assert (now(host).error_code, str(now(host).libvirt_uuid)) == ("", str(far_host.uuid))
    assert now(host).facts["hostname"] == far_host.name
    assert ask("vm.start", placement.vm).state == "succeeded"
    assert far_guest.is_running()
    eventually(lambda: seen(far_guest, host).state == "running", "the row says that it runs")
    far_host.virsh("suspend", far_guest.name)
    eventually(lambda: seen(far_guest, host).state == "paused", "what others do there is seen", within=5)
    assert ask("vm.force-off", placement.vm).state == "succeeded"
    assert far_guest.is_off()


def test_a_key_is_shown_compared_accepted_and_then_held_to(
    far_host: LabHost, watcher: Watcher, ask: Callable[..., Operation]
) -> None:
    assert far_host.doors
    shown = fingerprint(far_host.doors.host_key)
    host = row(far_host, "ssh")
    Host.objects.filter(pk=host.pk).update(host_key="")
    error(host, "host_key_unknown")
    tested = ask("host.test", now(host))
    assert (tested.state, tested.error_code) == ("failed", "host_key_unknown")
    assert tested.error_params == {"kind": "ED25519", "fingerprint": shown}
    printed = far_host.run("ssh-keygen", "-lf", "/run/lab/host_key.pub").split()[1]
    assert printed == shown

    Host.objects.filter(pk=host.pk).update(host_key=now(host).offered_key)
    tested = ask("host.test", now(host))
    assert (tested.state, tested.error_code) == ("succeeded", "")
    assert tested.result == {
        "uuid": str(far_host.uuid), "hostname": far_host.name, "driver": "qemu",
        "libvirt_version": now(host).facts.get("libvirt_version", tested.result["libvirt_version"]),
    }  # fmt: skip
    error(host, "")

    far_host.doors.renew_host_key()
    new = fingerprint(far_host.doors.host_key)
    tested = ask("host.test", now(host))
    assert tested.error_code == "host_key_changed"
    assert tested.error_params == {"accepted": shown, "fingerprint": new, "kind": "ED25519"}
    assert fingerprint(now(host).offered_key) == new
    for pid in of(far_host, "virt-ssh-helper"):
        os.kill(pid, signal.SIGKILL)
    assert error(host, "host_key_changed").error_params["fingerprint"] == new


def test_every_failing_step_of_ssh_is_told(far_host: LabHost) -> None:
    assert far_host.doors
    good = spec(row(far_host, "ssh"))
    foreign = Host.objects.get()
    stranger = ssh_key()[1]

    def told(changed: HostSpec) -> errors.VirtError:
        with pytest.raises(errors.VirtError) as raised:
            open_connection(changed)
        return raised.value

    assert type(told(replace(good, address="nobody.invalid"))) is errors.NameUnknown
    assert told(replace(good, port=23)).params == {"address": far_host.doors.address, "port": 23}
    network = far_host.doors.address.rpartition(".")[0]
    assert type(told(replace(good, address=f"{network}.3"))) is errors.NoRoute
    refused = told(replace(good, sealed=sealing.seal(stranger, foreign.sealed_for)))
    assert (type(refused), refused.params["user"]) == (errors.KeyRefused, "root")
    assert type(told(replace(good, user="nobody-here"))) is errors.KeyRefused
    assert type(told(replace(good, user=STRANGER))) is errors.SocketForbidden
    assert type(told(replace(good, port=16509))) is errors.HungUp
    assert type(told(replace(good, sealed=sealing.seal(stranger, "host:0:key")))) is errors.SecretUnreadable
    with without(far_host, "virt-ssh-helper"):
        with connect(good) as connection:
            assert connection.uuid() == str(far_host.uuid)
        with without(far_host, "nc"):
            assert type(told(good)) is errors.HelperMissing
    with without_libvirtd(far_host):
        assert type(told(good)) is errors.LibvirtStopped
    assert type(told(replace(good, uuid=str(foreign.pk).zfill(36)))) is errors.WrongHost
    other = row(far_host, "tcp")
    with without_libvirtd(far_host):
        assert type(told(spec(other))) is errors.PortClosed


def test_every_failing_step_of_tls_is_told(far_host: LabHost, ask: Callable[..., Operation]) -> None:
    assert far_host.doors
    host = row(far_host, "tls")
    good = spec(host)
    old, key = far_host.doors.authority.issue("kvmweb", days=-1)
    Host.objects.update(certificate=old, sealed=sealing.seal(key, host.sealed_for))
    assert ask("host.test", now(host)).error_code == "own_certificate_expired"

    def told(**fields: Any) -> type[errors.VirtError]:
        with pytest.raises(errors.VirtError) as raised:
            open_connection(replace(good, **fields))
        return type(raised.value)

    another = Authority("another CA")
    certificate, key = another.issue("kvmweb")
    assert told(ca_certificate=another.certificate) is errors.CertificateUntrusted
    foreign = sealing.seal(key, host.sealed_for)
    assert told(certificate=certificate, sealed=foreign) is errors.CertificateRefused
    assert told(port=22) is errors.NotLibvirt
    assert told(port=16509) is errors.HungUp
    assert told(transport="tcp", port=22) is errors.NotLibvirt
    assert told(transport="tcp", port=16514) in (errors.NotLibvirt, errors.HungUp)


def test_an_sshd_that_hangs_is_cut_and_in_nobodys_way(
    far_host: LabHost, far_guest: LabGuest, lab_host: LabHost, watcher: Watcher
) -> None:
    near = Host.objects.create(name="near", node="node-a", transport="unix", socket=str(lab_host.socket))
    far = row(far_host, "ssh")
    seen(far_guest, far)
    eventually(lambda: now(near).heard_at, "the near one is heard")
    connection = open_connection(spec(far))
    ended: list[float] = []

    def call() -> None:
        with pytest.raises(errors.HostUnreachable):
            connection.domains()
        ended.append(time.monotonic())

    with stopped(of(far_host, "sshd")):
        caller = threading.Thread(target=call)
        caller.start()
        time.sleep(0.3)
        assert caller.is_alive()
        cut = time.monotonic()
        connection.cut()
        caller.join(5)
        assert ended and ended[0] - cut < 1
        with pytest.raises(errors.TimedOut):
            open_connection(spec(far), timeout=0.5)
        eventually(lambda: now(far).error_code, "the far one is silent", within=30)
        before = now(near).heard_at
        eventually(lambda: now(near).heard_at != before, "the near one is heard again", within=10)
        assert not now(near).error_code
    error(far, "")


def test_one_machine_is_one_host_whatever_the_way(far_host: LabHost, far_guest: LabGuest, watcher: Watcher) -> None:
    first = row(far_host, "ssh")
    vm = seen(far_guest, first).vm_id
    for transport in ("tcp", "tls", "ssh"):
        again = row(far_host, transport) if transport != "ssh" else twin(first)
        told = error(again, "same_machine")
        assert told.error_params == {"host": first.name, "host_id": first.pk}
        assert not Placement.objects.filter(host=again).exists()
        again.delete()
    Host.objects.filter(pk=first.pk).update(removed_at=timezone.now())
    eventually(lambda: not watcher.threads, "nobody watches what was removed")
    new = row(far_host, "tls")
    eventually(lambda: Host.objects.filter(pk=first.pk, removed_at=None).exists(), "the removed one is back")
    assert not Host.objects.filter(pk=new.pk).exists()
    back = now(first)
    assert (back.transport, back.name) == ("tls", new.name)
    eventually(lambda: now(first).error_code == "" and seen(far_guest, back).present, "it is watched again")
    assert seen(far_guest, back).vm_id == vm
    assert Happening.objects.filter(host=back, code="host_returned").exists()


def twin(host: Host) -> Host:
    """The same entry a second time."""
    secret = unseal(host.sealed, host.sealed_for, str(settings.ENVIRONMENT.key_file))
    made = Host.objects.create(
        name="again", transport="ssh", address=host.address, user=host.user, host_key=host.host_key
    )  # fmt: skip
    Host.objects.filter(pk=made.pk).update(sealed=sealing.seal(secret, made.sealed_for))
    return now(made)


def test_one_that_is_left_alone_is_let_go_by_everybody(
    far_host: LabHost, far_guest: LabGuest, watcher: Watcher, worker: WorkerProcess, ask: Callable[..., Operation]
) -> None:
    host = row(far_host, "ssh")
    placement = seen(far_guest, host)
    with worker.connections.lent(now(host)):
        assert len(of(far_host, "virt-ssh-helper")) >= 2
    Host.objects.filter(pk=host.pk).update(left_alone=True)
    worker.reconcile()
    eventually(lambda: not of(far_host, "virt-ssh-helper"), "nobody is connected any more")
    assert now(host).error_code == ""
    with pytest.raises(errors.HostLeftAlone):
        ask("vm.start", placement.vm)
    assert ask("host.test", now(host)).state == "succeeded"
    assert seen(far_guest, host).state == "shut_off"
    Host.objects.filter(pk=host.pk).update(left_alone=False)
    eventually(lambda: of(far_host, "virt-ssh-helper"), "it is watched again")


def test_another_hypervisor_is_listed_as_far_as_it_goes(far_host: LabHost, watcher: Watcher) -> None:
    container = etree.tostring(
        E.domain(
            E.name("box"), E.memory("64", unit="MiB"), E.vcpu("1"), E.os(E.type("exe"), E.init("/bin/sh")),
            E.devices(E.console(type="pty")), type="lxc",
        ),
        encoding="unicode",
    )  # fmt: skip
    made = libvirt.open(f"lxc+unix:///system?socket={far_host.socket}").defineXML(container)
    try:
        host = row(far_host, "tcp")
        Host.objects.filter(pk=host.pk).update(driver="lxc")
        box = Placement.objects.filter(host=host, name="box")
        eventually(box.exists, "the container is listed")
        assert (box.get().state, box.get().graphics) == ("shut_off", [])
        assert now(host).facts["domain_type"] == "lxc"
        eventually(lambda: now(host).hardware_at, "what the machine is made of is read by this driver too")
        lines = {line.code: line.result for line in checked(now(host))}
        assert "fail" not in (lines["libvirt"], lines["hostname"]) and not lines.keys() & {"cpu", "kvm", "firmware"}
        assert now(host).hardware["cells"] and host.devices.filter(present=True).exists()
        beside = row(far_host, "tls")
        error(beside, "")
        eventually(lambda: now(beside).heard_at, "the machine's QEMU is a host beside it")
        since = now(host).heard_at
        eventually(lambda: now(host).heard_at != since, "its heart goes on beating", within=10)
        assert now(host).error_code == ""
    finally:
        made.undefine()


def test_tunnels_lead_to_ports_and_sockets_there(far_host: LabHost) -> None:
    good = spec(row(far_host, "ssh"))
    with tunnel(good, "127.0.0.1", 22) as stream:
        stream.settimeout(10)
        assert stream.recv(4) == b"SSH-"
    with tunnel(good, "::1", 9) as stream:
        stream.settimeout(10)
        assert stream.recv(1) == b""
        assert isinstance(stream.why(), errors.HostUnreachable)
    with tunnel_to_socket(good, "/run/libvirt/libvirt-sock") as stream:
        stream.settimeout(10)
        # A packet that is shorter than its own head: libvirtd hangs up on it.
        stream.sendall((4).to_bytes(4) * 2)
        assert stream.recv(1) == b""
    eventually(lambda: not of(far_host, "sshd")[1:], "nothing of the tunnels stays there")
    assert offered_key(good) == " ".join(good.host_key.split()[:2])


CONNECTS = """
import json, sys
from vms.virt import HostSpec, open_connection, ssh, tunnel, tunnel_to_socket
ssh.unseal = lambda sealed, bound_to, key_file: sealed
spec = HostSpec(**json.load(sys.stdin))
held = open_connection(spec), tunnel(spec, "127.0.0.1", 22), tunnel_to_socket(spec, "/run/libvirt/libvirt-sock")
print(open(f"/proc/self/task/{__import__('os').getpid()}/children").read(), flush=True)
__import__("time").sleep(60)
"""


def test_a_process_that_is_killed_leaves_no_ssh_behind(far_host: LabHost) -> None:
    good = spec(row(far_host, "ssh"))
    secret = unseal(good.sealed, good.sealed_for, good.key_file)
    fields = json.dumps(asdict(replace(good, sealed=secret)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    owner = subprocess.Popen(
        [sys.executable, "-c", CONNECTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert owner.stdin and owner.stdout
    with owner.stdin as given, owner.stdout as told:
        given.write(fields)
        given.close()
        pids = told.readline().split()
        assert len(pids) == 3
        owner.kill()
        owner.wait()
    eventually(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "all three have ended", within=20)


def test_nobody_else_on_this_machine_gets_in(far_host: LabHost, alice: User) -> None:
    assert far_host.doors
    knock = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    for port in ("22", "16509", "16514"):
        command = ["/usr/bin/python3", "-c", knock, far_host.doors.address, port]
        assert subprocess.run(command, capture_output=True, timeout=20).returncode == 0
        other = subprocess.run(
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command],
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        assert "PermissionError" in other.stderr


def test_what_a_killed_lab_leaves_is_swept_away() -> None:
    machine = LabHost("doomed", doors=True)
    assert machine.doors
    number = machine.doors.number
    for pid in children(machine.process.pid):
        os.kill(pid, signal.SIGKILL)
    machine.process.kill()
    machine.process.wait()
    links = "ip", "-o", "link"
    eventually(lambda: f"kvml{number}@" not in subprocess.check_output(links, text=True), "its cards are gone")
    again = LabHost("next", doors=True)
    rules = subprocess.check_output(("ip", "rule"), text=True)
    again.stop()
    machine.stop()
    assert again.doors
    assert number == again.doors.number or f"10.213.{number}." not in rules
    assert f"10.213.{again.doors.number}." not in subprocess.check_output(("ip", "rule"), text=True)
