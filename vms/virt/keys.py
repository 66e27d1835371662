"""The keys by which machines are known over ssh."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from vms.virt.fields import host_key

KINDS: Final = {
    "ssh-ed25519": "ED25519", "sk-ssh-ed25519@openssh.com": "ED25519-SK", "ssh-rsa": "RSA",
    "ecdsa-sha2-nistp256": "ECDSA", "ecdsa-sha2-nistp384": "ECDSA", "ecdsa-sha2-nistp521": "ECDSA",
}  # fmt: skip


def kind(line: str) -> str:
    """ssh's word for it ("ED25519")."""
    name = host_key(line).split()[0]
    return KINDS.get(name, name)


def fingerprint(line: str) -> str:
    """ "SHA256:...", as `ssh-keygen -lf` prints it on the machine itself."""
    digest = hashlib.sha256(base64.b64decode(host_key(line).split()[1] + "==")).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def algorithms(line: str) -> str:
    """How a machine may prove that it has the key: a machine with several keys must show this one."""
    name = host_key(line).split()[0]
    return "rsa-sha2-512,rsa-sha2-256" if name == "ssh-rsa" else name
