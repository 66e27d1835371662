"""Ways that lead nowhere: each is told as the step that failed, and none is waited for."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.virt.servers import Answer, closed_port, hang_up, say_nothing, server, speak_http, take_and_hang_up
from tests.virt.test_fields import HOSTILE, KEY
from vms import errors
from vms.services import sealing
from vms.virt import HostSpec, open_connection, opening, tunnel
from vms.virt.reach import remote_command


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostSpec:
    """A host over ssh whose key was accepted, and whose private key opens."""
    private = tmp_path / "key"
    sealing.ensure_keys(private, tmp_path / "key.pub")
    monkeypatch.setattr("vms.virt.ssh.unseal", lambda sealed, bound_to, key_file: sealed)
    return HostSpec("ssh", "qemu", address="127.0.0.1", user="root", host_key=KEY, sealed="a key")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(hang_up, errors.HungUp), (take_and_hang_up, errors.HungUp), (speak_http, errors.NotLibvirt)],
)
def test_over_tcp_who_is_no_libvirt_is_told(answer: Answer, expected: type[errors.VirtError]) -> None:
    with server(answer) as port, pytest.raises(expected):
        open_connection(HostSpec("tcp", "qemu", address="127.0.0.1", port=port))


def test_over_tcp_silence_ends() -> None:
    with server(say_nothing) as port, pytest.raises(errors.TimedOut):
        open_connection(HostSpec("tcp", "qemu", address="127.0.0.1", port=port), timeout=0.3)


@pytest.mark.parametrize("transport", ["tcp", "ssh"])
def test_a_closed_port_is_named(ssh: HostSpec, transport: str) -> None:
    port = closed_port()
    with pytest.raises(errors.PortClosed) as told:
        open_connection(replace(ssh, transport=transport, port=port))
    assert told.value.params == {"address": "127.0.0.1", "port": port}


@pytest.mark.parametrize("transport", ["tcp", "ssh"])
def test_a_name_that_nobody_knows_is_named(ssh: HostSpec, transport: str) -> None:
    with pytest.raises(errors.NameUnknown) as told:
        open_connection(replace(ssh, transport=transport, address="nobody.invalid"))
    assert told.value.params == {"address": "nobody.invalid"}


def test_an_ipv6_address_is_reached() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=lambda: listening.accept()[0].close())
        thread.start()
        with pytest.raises(errors.HungUp):
            open_connection(HostSpec("tcp", "qemu", address="::1", port=port))
        thread.join()


@pytest.mark.parametrize("answer", [hang_up, speak_http])
def test_over_ssh_who_is_no_sshd_is_told(ssh: HostSpec, answer: Answer) -> None:
    with server(answer) as port, pytest.raises((errors.HungUp, errors.NotLibvirt)):
        open_connection(replace(ssh, port=port))


def test_an_ssh_that_hangs_is_ended_and_nothing_of_it_stays(ssh: HostSpec) -> None:
    files = descriptors()
    with server(say_nothing) as port:
        began = time.monotonic()
        with pytest.raises(errors.TimedOut):
            open_connection(replace(ssh, port=port), timeout=0.5)
        assert time.monotonic() - began < 4
    # Before ssh itself would give up.
    until = time.monotonic() + 3
    while descriptors() - files or children():
        assert time.monotonic() < until, (descriptors() - files, children())
        time.sleep(0.05)


def descriptors() -> set[str]:
    """What this process holds open of files in memory."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return {name for name in found if "memfd:" in name}


def children() -> list[str]:
    pids = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [pid for file in pids for pid in file.read_text().split() if comm(pid) == "ssh"]


def comm(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_without_an_accepted_key_ssh_is_not_even_started(ssh: HostSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(errors.HostKeyUnknown):
        open_connection(replace(ssh, host_key=""))
    with pytest.raises(errors.HostKeyUnknown):
        tunnel(replace(ssh, host_key=""), "127.0.0.1", 5900)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_fields_start_nothing(ssh: HostSpec, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    for spec in (replace(ssh, address=text), *([replace(ssh, user=text), replace(ssh, socket=text)] if text else [])):
        with pytest.raises(errors.BadHostField):
            open_connection(spec)
    for transport in ("tcp", "tls"):
        with pytest.raises((errors.BadHostField, errors.SecretUnreadable)):
            open_connection(replace(ssh, transport=transport, address=text))
    with pytest.raises(errors.BadHostField):
        tunnel(ssh, text, 5900)


def test_the_remote_command_is_constant_but_for_driver_and_socket() -> None:
    assert remote_command(HostSpec("ssh", "qemu")) == (
        "sh -c 'command -v virt-ssh-helper >/dev/null 2>&1 && exec virt-ssh-helper qemu:///system; "
        "command -v nc >/dev/null 2>&1 && exec nc -U /var/run/libvirt/libvirt-sock; "
        "echo kvmweb: neither virt-ssh-helper nor nc >&2; exit 127'"
    )
    assert "exec nc -U /run/other;" in remote_command(HostSpec("ssh", "lxc", "/run/other"))


def test_a_tunnel_needs_ssh() -> None:
    with pytest.raises(errors.Unsupported):
        tunnel(HostSpec("tcp", "qemu", address="127.0.0.1"), "127.0.0.1", 5900)


def test_a_wrong_port_does_not_come_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_handle", None)
    with pytest.raises(errors.BadHostField):
        open_connection(HostSpec("tcp", "qemu", address="127.0.0.1", port=70000))
