"""What a host keeps secret for libvirt: passwords and keys with which it reaches storage and opens disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

USAGES: Final = ("ceph", "iscsi", "volume", "tls", "vtpm")
LONGEST_NAME: Final = 255


@dataclass(frozen=True)
class Purpose(Params):
    """usage: libvirt's word for what it is for; name: for which. A value that was there is replaced."""

    usage: str
    name: str

    def __post_init__(self) -> None:
        if self.usage not in USAGES:
            raise BadParameters(field="usage")
        if not 0 < len(self.name) <= LONGEST_NAME or not self.name.isprintable() or self.name != self.name.strip():
            raise BadParameters(field="name")


@dataclass(frozen=True)
class Identity(Params):
    """uuid: which of the host's secrets."""

    uuid: str


SET = Kind(
    name="secret.set",
    title=mark("Set a secret"),
    done=mark("given a secret"),
    target="host",
    privileges=("secret.admin",),
    params=Purpose,
    silence_seconds=20,
    lock=False,
    secrets=frozenset({"value"}),
)
DELETE = Kind(
    name="secret.delete",
    title=mark("Delete a secret"),
    done=mark("rid of a secret"),
    target="host",
    privileges=("secret.admin",),
    params=Identity,
    silence_seconds=20,
    lock=False,
    harm=8,
    ask=True,
)

KINDS = (SET, DELETE)
