"""ssh gets our configuration and nothing of the machine's, and its last words are understood."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.virt.test_fields import KEY
from vms import errors
from vms.virt import HostSpec, fingerprint, keys
from vms.virt.ssh import ENVIRONMENT, Ssh
from vms.virt.ssh_words import NO_HELPER, meaning

SPEC = HostSpec("ssh", "qemu", address="host-a", port=2222, user="ops", host_key=f"{KEY} comment", sealed="the secret")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the child would have been started with, read at that moment."""
    seen: dict[str, Any] = {}

    def start(command: list[str], **options: Any) -> None:
        seen.update(command=command, options=options)
        seen["settings"] = Path(command[2]).read_text()
        lines = dict(line.split(" ", 1) for line in seen["settings"].splitlines() if line.strip())
        seen["known"] = Path(lines["UserKnownHostsFile"]).read_text()
        seen["key"] = Path(lines["IdentityFile"]).read_text()
        seen["mode"] = Path(lines["IdentityFile"]).stat().st_mode & 0o777
        raise FileNotFoundError("ssh")

    monkeypatch.setattr("vms.virt.ssh.unseal", lambda sealed, bound_to, key_file: sealed)
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(errors.HostUnreachable):
        Ssh(SPEC, "--", "kvmweb-host", "true")
    return seen


def test_arguments_and_environment_are_constant(started: dict[str, Any]) -> None:
    command = started["command"]
    assert command == ["ssh", "-F", command[2], "--", "kvmweb-host", "true"]
    assert command[2].startswith("/proc/")
    assert started["options"]["env"] == ENVIRONMENT
    assert ENVIRONMENT.keys() == {"PATH", "LC_ALL", "HOME"}


def test_the_configuration_leaves_nothing_to_the_machine(started: dict[str, Any]) -> None:
    settings = dict(line.split(" ", 1) for line in started["settings"].splitlines())
    assert (settings["HostName"], settings["Port"], settings["User"]) == ("host-a", "2222", "ops")
    for name, value in {
        "StrictHostKeyChecking": "yes", "GlobalKnownHostsFile": "/dev/null", "BatchMode": "yes",
        "IdentitiesOnly": "yes", "IdentityAgent": "none", "ForwardAgent": "no", "ForwardX11": "no",
        "PermitLocalCommand": "no", "ControlMaster": "no", "ControlPath": "none", "UpdateHostKeys": "no",
        "CanonicalizeHostname": "no", "Tunnel": "no", "ProxyCommand": "none", "ProxyJump": "none",
        "HostKeyAlias": "kvmweb-host", "HostKeyAlgorithms": "ssh-ed25519",
    }.items():  # fmt: skip
        assert settings[name] == value
    assert started["known"] == f"kvmweb-host {KEY}\n"
    assert (started["key"], started["mode"]) == ("the secret\n", 0o600)


def test_ssh_itself_understands_every_line(
    tmp_path: Path, started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (tmp_path / "config").write_text(started["settings"])
    told = subprocess.run(
        ["ssh", "-G", "-F", tmp_path / "config", "kvmweb-host"], capture_output=True, text=True, check=True
    )
    assert told.stderr == ""
    assert "hostname host-a\n" in told.stdout
    assert "proxycommand" not in told.stdout


def test_a_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY + "\n")
    told = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert told.stdout.split()[1] == fingerprint(KEY)
    assert told.stdout.rstrip().endswith(f"({keys.kind(KEY)})")


CHANGED = """@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
The fingerprint for the ED25519 key sent by the remote host is
SHA256:KzDb2Dm+MM4nofftuuHjza9dwLhzytK2eM2aYjBWSfE.\r
Add correct host key in /proc/31044/fd/4 to get rid of this message.\r
Host key verification failed.\r
"""


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("ssh: Could not resolve hostname x: Name or service not known", 255, errors.NameUnknown),
        ("ssh: connect to host x port 22: Connection refused", 255, errors.PortClosed),
        ("ssh: connect to host x port 22: No route to host", 255, errors.NoRoute),
        ("ssh: connect to host x port 22: Connection timed out", 255, errors.NoRoute),
        ("Connection timed out during banner exchange", 255, errors.TimedOut),
        (CHANGED, 255, errors.HostKeyChanged),
        ("Unable to negotiate with x port 22: no matching host key type found. Their offer: ssh-rsa", 255,
         errors.HostKeyChanged),
        ("Unable to negotiate with x port 22: no matching key exchange method found.", 255, errors.NotLibvirt),
        ("root@x: Permission denied (publickey).", 255, errors.KeyRefused),
        ("kex_exchange_identification: Connection closed by remote host", 255, errors.HungUp),
        (NO_HELPER, 127, errors.HelperMissing),
        ("virt-ssh-helper: cannot connect to '/s': Failed to connect socket to '/s': Permission denied", 1,
         errors.SocketForbidden),
        ("virt-ssh-helper: cannot connect to '/s': Failed to connect socket to '/s': No such file or directory", 1,
         errors.LibvirtStopped),
        ("nc: /run/libvirt/libvirt-sock: Connection refused", 1, errors.LibvirtStopped),
        ("something new", 255, errors.HostUnreachable),
        ("", 3, errors.HostUnreachable),
    ],
)  # fmt: skip
def test_its_last_words_are_a_step(text: str, code: int, expected: type[errors.VirtError]) -> None:
    told = meaning(text, code, SPEC)
    assert type(told) is expected


def test_a_changed_key_is_told_with_both_fingerprints_and_without_our_files() -> None:
    told = meaning(CHANGED, 255, SPEC)
    assert told
    assert told.params == {
        "accepted": fingerprint(KEY), "kind": "ED25519",
        "fingerprint": "SHA256:KzDb2Dm+MM4nofftuuHjza9dwLhzytK2eM2aYjBWSfE",
    }  # fmt: skip
    assert "/proc/" not in told.details


@pytest.mark.parametrize("code", [None, 0, -9])
def test_one_that_was_ended_from_here_says_nothing(code: int | None) -> None:
    assert meaning("Killed by signal 15.", code, SPEC) is None
