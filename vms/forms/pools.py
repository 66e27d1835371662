"""The form of a storage pool: what its type needs and nothing else, with what was typed and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext

from vms.libvirtxml import EXAMPLES, FORMATS
from vms.models import Host
from vms.services.pools import FORMS, SEARCHED, WRITTEN, offered, type_word
from vms.services.sentences import field_sentence

# Asked for by type, in this order; "format" where there is a choice.
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "dir": ("name", "path"),
    "fs": ("name", "device", "path", "format"),
    "netfs": ("name", "server", "export", "format", "path"),
    "disk": ("name", "device", "format"),
    "logical": ("name", "group", "device"),
    "iscsi-direct": ("name", "server", "port", "target", "initiator", "user", "chap_password"),
    "rbd": ("name", "monitors", "pool", "user", "ceph_key"),
    "xml": ("document",),
}
SECRETS: Final = ("chap_password", "ceph_key")
KINDS: Final = {"document": "text", "format": "choice", "port": "number", **dict.fromkeys(SECRETS, "secret")}
# Where there is something to be made on the device first.
BUILDS: Final = ("fs", "disk", "logical")


@dataclass(frozen=True)
class Field:
    """One field; kind: line, number, secret, text or choice."""

    name: str
    label: str
    kind: str = "line"
    help: str = ""
    hint: str = ""
    value: str = ""
    error: str = ""
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Type:
    """One type to choose; missing: the host's libvirt lacks it."""

    value: str
    label: str
    help: str
    chosen: bool
    missing: bool


@dataclass(frozen=True)
class Form:
    """type: what stands in the request, "xml" with example for the written ones. confirms: a path that must be typed
    once more."""

    type: str
    example: str
    fields: list[Field]
    builds: str
    searched: bool
    confirms: bool
    errors: list[str]


def types(host: Host, chosen: str) -> list[Type]:
    """All of them, those with a form first."""
    helps = {
        "dir": gettext("The usual one: files in a folder of the host."),
        "fs": gettext("A partition or a disk that the host mounts for it."),
        "netfs": gettext("Files on a server, the same for several hosts."),
        "disk": gettext("Its partitions are the VMs' disks."),
        "logical": gettext("Its logical volumes are the VMs' disks."),
        "iscsi-direct": gettext("LUNs of a target, which QEMU reaches itself."),
        "rbd": gettext("Images in a pool of a cluster."),
    }
    return [
        Type(type, type_word(type), helps.get(type, ""), type == chosen, not offered(host, type))
        for type in (*FORMS, *WRITTEN)
    ]


def labels() -> dict[str, tuple[str, str, str]]:
    """{field: (label, help, hint)}."""
    return {
        "name": (gettext("Name"), gettext("How libvirt on the host calls it."), ""),
        "path": (
            gettext("Folder"),
            gettext("Where its volumes are on the host; made where it is missing."),
            "/srv/vms",
        ),
        "device": (gettext("Device"), "", "/dev/disk/by-id/…"),
        "format": (gettext("Format"), "", ""),
        "server": (gettext("Server"), gettext("A name or an IP address."), "nas.example.org"),
        "export": (gettext("What it exports"), "", "/export/vms"),
        "group": (gettext("Volume group"), "", "vms"),
        "port": (gettext("Port"), gettext("Empty: 3260."), ""),
        "target": (gettext("Target"), "", "iqn.2026-01.org.example:vms"),
        "initiator": (gettext("Initiator"), gettext("The name by which the SAN knows this host."), "iqn.2026-01.…"),
        "monitors": (gettext("Monitors"), gettext("With blanks between."), "ceph-1 ceph-2:6789"),
        "pool": (gettext("Pool in Ceph"), "", "vms"),
        "user": (gettext("User"), gettext("Empty: without signing in."), ""),
        "chap_password": (gettext("CHAP password"), gettext("Kept by libvirt on the host; nobody reads it again."), ""),
        "ceph_key": (gettext("Key"), gettext("Kept by libvirt on the host; nobody reads it again."), ""),
        "document": (gettext("Definition"), gettext("An example to be changed."), ""),
    }


def make_form(type: str, given: Mapping[str, Any], errors: Mapping[str, str] | None = None) -> Form:
    """The form of that type, one with a form or written; never with a secret that was typed."""
    faults = {name: field_sentence(code) for name, code in (errors or {}).items()}
    sort = type if type in ASKED else "xml"
    words = labels()
    fields = []
    for name in ASKED[sort]:
        label, help, hint = words[name]
        kind = (
            "secret"
            if name in SECRETS
            else {"document": "text", "format": "choice", "port": "number"}.get(name, "line")
        )
        value = "" if name in SECRETS else str(given.get(name, ""))
        if name == "document" and "document" not in given:
            value = EXAMPLES.get(type, "")
        if name == "device" and sort == "logical":
            help = gettext("Only to make a new volume group on it.")
        if name == "user" and sort == "iscsi-direct":
            help = gettext("For CHAP. Empty: without signing in.")
        choices = tuple((each, each) for each in FORMATS.get(sort, ())) if name == "format" else ()
        fields.append(Field(name, label, kind, help, hint, value, faults.pop(name, ""), choices))
    return Form(
        type=sort,
        example=type if sort == "xml" else "",
        fields=fields,
        builds=sort if sort in BUILDS else "",
        searched=sort in SEARCHED,
        confirms="system_path" in (errors or {}).values(),
        errors=list(faults.values()),
    )


def sent(type: str, post: Mapping[str, str]) -> dict[str, str]:
    """What the form sends of that type's description; secrets apart."""
    sort = type if type in ASKED else "xml"
    names = [name for name in ASKED[sort] if name not in SECRETS]
    return {"type": sort, **{name: strip(name, post.get(name, "")) for name in names}}


def strip(name: str, text: str) -> str:
    """Browsers send line ends of two signs, and people blanks around what they paste."""
    return text.replace("\r\n", "\n") if name == "document" else text.strip()
