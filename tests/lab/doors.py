"""The doors of a lab host: sshd, and libvirtd by TCP and TLS, on a network that only this machine's root enters.

libvirtd by TCP asks nobody who he is, and is root on the host. So each host's network is a pair of virtual cards with
routing rules: packets to it are taken from root's own processes and from nobody else, and nothing is forwarded. Its
root has a home of its own, so that what is done there is not done to this machine.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.certificates import Authority

CARD = "kvml"
NETWORK = "10.213.{}"
MAY, MAY_NOT = "1000", "1001"
# In no group: may sign in, and not use libvirt.
STRANGER = "stranger"
STRANGERS_LINES = {"etc/passwd": f"{STRANGER}:x:4711:4711::/tmp:/bin/sh\n", "etc/shadow": f"{STRANGER}:*:1::::::\n"}
SSHD = """\
Port 22
HostKey /run/lab/host_key
PidFile none
AuthorizedKeysFile /run/lab/authorized_keys .ssh/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PrintMotd no
LogLevel VERBOSE
"""
LISTEN = """\
listen_tcp = 1
auth_tcp = "none"
listen_tls = 1
auth_tls = "none"
listen_addr = "0.0.0.0"
ca_file = "/run/lab/ca.pem"
cert_file = "/run/lab/server.pem"
key_file = "/run/lab/server.key"
"""


def command(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def cards() -> set[int]:
    """The numbers of the networks that exist."""
    return {int(found) for found in re.findall(rf"^\d+: {CARD}(\d+)[@:]", command("ip", "-o", "link"), re.M)}


def sweep() -> None:
    """Take away the rules of networks that are no more: those of hosts whose process was killed."""
    ruled = {int(found) for found in re.findall(r"to 10\.213\.(\d+)\.0/30", command("ip", "rule"))}
    for number in ruled - cards():
        unrule(number)


def unrule(number: int) -> None:
    for priority in (MAY, MAY_NOT):
        words = ["ip", "rule", "del", "to", f"{NETWORK.format(number)}.0/30", "priority", priority]
        while subprocess.run(words, capture_output=True, timeout=30).returncode == 0:
            pass


class Doors:
    """address: where the host is reached. host_key, authority: by what it is known. authorize() lets a key in."""

    def __init__(self, folder: Path, users: tuple[int, ...]) -> None:
        self.folder = folder / "run/lab"
        self.folder.mkdir()
        (folder / "run/sshd").mkdir()
        (folder / "root").mkdir(mode=0o700)
        self.number = self.make_cards(users)
        self.address = f"{NETWORK.format(self.number)}.2"
        self.authority = Authority()
        self.write_certificate()
        (self.folder / "ca.pem").write_text(self.authority.certificate)
        (self.folder / "sshd_config").write_text(SSHD)
        (self.folder / "authorized_keys").touch()
        self.renew_host_key()
        with (folder / "etc/libvirt/libvirtd.conf").open("a") as file:
            file.write(LISTEN)
        for path, line in (
            ("passwd", f"{STRANGER}:x:4711:4711::/tmp:/bin/sh\n"),
            ("shadow", f"{STRANGER}:*:1::::::\n"),
        ):
            (folder / "etc" / path).write_text(Path("/etc", path).read_text() + line)

    def make_cards(self, users: tuple[int, ...]) -> int:
        """The number of a network that is free, with its rules in force before anything listens on it."""
        sweep()
        for number in range(1, 250):
            words = ["ip", "link", "add", f"{CARD}{number}", "type", "veth", "peer", "name", f"{CARD}-peer{number}"]
            if subprocess.run(words, capture_output=True, timeout=30).returncode == 0:
                break
        rule = ("ip", "rule", "add", "to", f"{NETWORK.format(number)}.0/30")
        for user in users:
            command(*rule, "iif", "lo", "uidrange", f"{user}-{user}", "lookup", "main", "priority", MAY)
        command(*rule, "prohibit", "priority", MAY_NOT)
        command("ip", "address", "add", f"{NETWORK.format(number)}.1/30", "dev", f"{CARD}{number}")
        command("ip", "link", "set", f"{CARD}{number}", "up")
        return number

    def join(self, pid: int) -> None:
        """Give the host, whose first process that is, its card; it goes with the host."""
        inside = ("nsenter", "--target", str(pid), "--net", "ip")
        command("ip", "link", "set", f"{CARD}-peer{self.number}", "netns", str(pid))
        command(*inside, "address", "add", f"{self.address}/30", "dev", f"{CARD}-peer{self.number}")
        command(*inside, "link", "set", f"{CARD}-peer{self.number}", "up")

    def write_certificate(self) -> None:
        certificate, key = self.authority.issue("lab host", self.address)
        (self.folder / "server.pem").write_text(certificate)
        (self.folder / "server.key").write_text(key)

    def renew_host_key(self) -> None:
        """Another key from the next connection on."""
        for path in self.folder.glob("host_key*"):
            path.unlink()
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.folder / "host_key")

    @property
    def host_key(self) -> str:
        return (self.folder / "host_key.pub").read_text().strip()

    def authorize(self, line: str) -> None:
        """Let this key in, as whoever it calls itself."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(line.strip() + "\n")

    @contextmanager
    def narrow(self, bytes_per_second: int) -> Iterator[None]:
        """What is sent to the host passes a line of so much meanwhile (tc-tbf(8))."""
        card = ("dev", f"{CARD}{self.number}", "root")
        bucket = ("tbf", "rate", f"{bytes_per_second}bps", "burst", "1mb", "latency", "100ms")
        command("tc", "qdisc", "add", *card, *bucket)
        try:
            yield
        finally:
            command("tc", "qdisc", "del", *card)

    def close(self) -> None:
        """After the host's end: its cards are gone with it."""
        subprocess.run(["ip", "link", "del", f"{CARD}{self.number}"], capture_output=True, timeout=30)
        unrule(self.number)
