"""A lab host as another machine: a row for it by each transport, with keys that it takes."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.lab.machine import LabHost
from vms.models import Host
from vms.services import host_keys, sealing


def ssh_key() -> tuple[str, str]:
    """(the line for authorized_keys, the private key) of a new key."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return public, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def row(machine: LabHost, transport: str) -> Host:
    """The machine over ssh, tls or tcp, as somebody has added and accepted it; stored."""
    assert machine.doors
    fields: dict[str, Any] = {"address": machine.doors.address}
    secret = ""
    if transport == "ssh":
        public, secret = ssh_key()
        machine.doors.authorize(f"{host_keys.OPTIONS} {public}")
        fields |= {"user": "root", "public_key": public, "host_key": machine.doors.host_key}
    elif transport == "tls":
        certificate, secret = machine.doors.authority.issue("kvmweb")
        fields |= {"ca_certificate": machine.doors.authority.certificate, "certificate": certificate}
    host = Host.objects.create(name=f"{machine.name} {transport}", transport=transport, **fields)
    if secret:
        host.sealed = sealing.seal(secret, host.sealed_for)
        host.save(update_fields=["sealed"])
    return host
