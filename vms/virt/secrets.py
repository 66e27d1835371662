"""What a host keeps secret for libvirt: names and purposes. A value goes in and is never asked for."""

from __future__ import annotations

from typing import Any, Final

import libvirt

from vms.libvirtxml import parse, secret_document
from vms.virt.optional import listed, optional
from vms.virt.values import SecretInfo

USAGES: Final = {
    libvirt.VIR_SECRET_USAGE_TYPE_NONE: "", libvirt.VIR_SECRET_USAGE_TYPE_VOLUME: "volume",
    libvirt.VIR_SECRET_USAGE_TYPE_CEPH: "ceph", libvirt.VIR_SECRET_USAGE_TYPE_ISCSI: "iscsi",
    libvirt.VIR_SECRET_USAGE_TYPE_TLS: "tls", libvirt.VIR_SECRET_USAGE_TYPE_VTPM: "vtpm",
}  # fmt: skip
NUMBERS: Final = {usage: number for number, usage in USAGES.items()}


def known(handle: Any) -> tuple[SecretInfo, ...]:
    """Its secrets by purpose and name; none where it has no driver for them."""
    found = (describe_if_there(secret) for secret in listed(handle.listAllSecrets))
    return tuple(sorted((info for info in found if info), key=lambda info: (info.usage, info.name, info.uuid)))


def describe_if_there(secret: Any) -> SecretInfo | None:
    """The value, or None for one that has vanished since it was listed."""
    return optional(lambda: describe(secret), None)


def describe(secret: Any) -> SecretInfo:
    return SecretInfo(
        uuid=secret.UUIDString(),
        usage=USAGES.get(secret.usageType(), ""),
        name=secret.usageID() or "",
        private=parse(secret.XMLDesc()).get("private") == "yes",
    )


def keep(handle: Any, usage: str, name: str, value: str) -> str:
    """Set the secret of that purpose and name, made where there is none; its UUID. One that was made for it and whose
    value is refused is gone again."""
    there = optional(lambda: handle.secretLookupByUsage(NUMBERS[usage], name), None)
    secret = there or handle.secretDefineXML(secret_document(usage, name), 0)
    try:
        secret.setValue(value.encode(), 0)
    except libvirt.libvirtError:
        if there is None:
            secret.undefine()
        raise
    return str(secret.UUIDString())
