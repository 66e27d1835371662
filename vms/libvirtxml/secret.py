"""The document of a secret, which never holds its value."""

from __future__ import annotations

from typing import Final

from lxml.builder import E

from vms.libvirtxml.document import serialize

# What the name of its purpose is called, by purpose.
NAMED: Final = {"volume": "volume", "ceph": "name", "iscsi": "target", "tls": "name", "vtpm": "name"}


def secret_document(usage: str, name: str) -> str:
    """One that libvirt keeps over its restarts and gives to nobody."""
    return serialize(E.secret(E.usage(E(NAMED[usage], name), type=usage), ephemeral="no", private="yes"))
