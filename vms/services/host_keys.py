"""The dashboard's key for a host over ssh, and the fingerprints that people compare."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

# No terminal, no agent, no X11: libvirt's bytes and the way to a VM's screen, and nothing else.
OPTIONS: Final = "restrict,port-forwarding"
COMMENT: Final = "kvmweb"


def make_pair() -> tuple[str, str]:
    """The private half as OpenSSH keeps it, and the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {COMMENT}"


def fingerprint(line: str) -> str:
    """SHA256:... of a public key as ssh-keygen -l prints it; "" for what is no such line."""
    words = line.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def key_file(line: str) -> str:
    """Where sshd keeps the key of that line's kind, for the command that shows its fingerprint on the machine."""
    kind = line.partition(" ")[0]
    name = {"ssh-rsa": "rsa", "ssh-dss": "dsa"}.get(kind, "ecdsa" if kind.startswith("ecdsa-") else "ed25519")
    return f"/etc/ssh/ssh_host_{name}_key.pub"


def admitting_line(public_key: str) -> str:
    """The one command that lets the dashboard in, run there by the user that it comes as."""
    return f"umask 077; mkdir -p ~/.ssh; echo '{OPTIONS} {public_key}' >> ~/.ssh/authorized_keys"
