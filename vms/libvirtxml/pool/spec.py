"""Storage pools as people describe them: one small description a type, and what of that can be."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from vms.libvirtxml.document import BadXML, parse
from vms.libvirtxml.folders import is_systems
from vms.libvirtxml.validate import faults

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}\Z")
PATH: Final = re.compile(r"/[^\x00-\x1f\x7f]{0,254}\Z")
DEVICE: Final = re.compile(r"/dev/[A-Za-z0-9._+:/-]{1,240}\Z")
SERVER: Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|[0-9A-Fa-f:.]{2,45})\Z")
IQN: Final = re.compile(r"(?:iqn|eui|naa)\.[A-Za-z0-9.:_-]{1,220}\Z")
GROUP: Final = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}\Z")
CEPH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}\Z")
ACCOUNT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,126}\Z")
DEVICES: Final = frozenset({"disk", "logical", "iscsi", "scsi", "mpath", "zfs"})


class BadPool(ValueError):
    """faults: {field: code} of what does not fit."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(", ".join(faults))
        self.faults = dict(faults)


@dataclass(frozen=True)
class Dir:
    """A folder of the host."""

    name: str
    path: str


@dataclass(frozen=True)
class Fs:
    """A file system on a device of the host, mounted at path."""

    name: str
    device: str
    path: str
    format: str = "auto"


@dataclass(frozen=True)
class Netfs:
    """What a server exports, mounted at path."""

    name: str
    server: str
    export: str
    path: str
    format: str = "nfs"


@dataclass(frozen=True)
class Disk:
    """A disk of the host; volumes are its partitions."""

    name: str
    device: str
    format: str = "gpt"


@dataclass(frozen=True)
class Logical:
    """A volume group of LVM; volumes are its logical volumes. device: only to make the group on it."""

    name: str
    group: str
    device: str = ""


@dataclass(frozen=True)
class IscsiDirect:
    """A target of a SAN, which QEMU reaches itself; volumes are its LUNs. user: for CHAP, with the secret of
    secret_name()."""

    name: str
    server: str
    target: str
    initiator: str
    port: str = ""
    user: str = ""


@dataclass(frozen=True)
class Rbd:
    """A pool of a Ceph cluster. monitors: host or host:port, with blanks between. user: with the secret of
    secret_name()."""

    name: str
    monitors: str
    pool: str
    user: str = ""


@dataclass(frozen=True)
class Written:
    """A definition that somebody wrote himself."""

    document: str


PoolSpec = Dir | Fs | Netfs | Disk | Logical | IscsiDirect | Rbd | Written
SPECS: Final[dict[str, type[PoolSpec]]] = {
    "dir": Dir, "fs": Fs, "netfs": Netfs, "disk": Disk, "logical": Logical, "iscsi-direct": IscsiDirect, "rbd": Rbd,
    "xml": Written,
}  # fmt: skip
# As libvirt's schema has them.
FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "fs": ("auto", "ext4", "xfs", "ext3", "ext2", "vfat", "iso9660", "udf", "gfs2", "ocfs2"),
    "netfs": ("nfs", "cifs", "glusterfs"),
    "disk": ("gpt", "dos", "mac", "bsd", "sun", "dvh", "pc98", "lvm2"),
}
# The secret that a type takes, by its name among an operation's, and libvirt's word for what it is for.
SECRETS: Final = {"iscsi-direct": ("chap_password", "iscsi"), "rbd": ("ceph_key", "ceph")}


def known_format(type: str) -> Callable[[str], str]:
    return lambda text: "" if text in FORMATS[type] else "choice"


def matching(pattern: re.Pattern[str], code: str) -> Callable[[str], str]:
    return lambda text: "" if pattern.match(text) else code


def path_fault(text: str) -> str:
    return "" if PATH.match(text) and posixpath.normpath(text) == text and not text.startswith("//") else "path"


def port_fault(text: str) -> str:
    return "" if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536 else "port"


def monitors_fault(text: str) -> str:
    parts = [monitor(part) for part in text.split()]
    fits = all(SERVER.match(host) and (not port or not port_fault(port)) for host, port in parts)
    return "" if parts and len(parts) < 20 and fits else "monitors"


def monitor(text: str) -> tuple[str, str]:
    """(host, port) of "ceph-1", "ceph-1:6789" or "[::1]:6789"."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return (text, "") if ":" in port else (host, port)


CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "name": matching(NAME, "pool_name"),
    "path": path_fault,
    "device": matching(DEVICE, "device"),
    "server": matching(SERVER, "address"),
    "export": path_fault,
    "group": matching(GROUP, "volume_group"),
    "target": matching(IQN, "iqn"),
    "initiator": matching(IQN, "iqn"),
    "port": port_fault,
    "user": matching(ACCOUNT, "account"),
    "monitors": monitors_fault,
    "pool": matching(CEPH, "ceph_pool"),
}


def read_spec(values: Mapping[str, Any], *, own: Collection[str] = (), confirmed: str = "") -> PoolSpec:
    """What is described by {"type": ..., and its fields, all texts}. BadPool tells what does not fit.

    own: further folders that are as little to be one as the system's. confirmed: the path that is meant in spite of
    that.
    """
    kind = values.get("type")
    if not isinstance(kind, str) or kind not in SPECS:
        raise BadPool({"type": "choice"})
    wrong: dict[str, str] = {}
    known = {field.name: field for field in fields(SPECS[kind])}
    given = {name: value for name, value in values.items() if name != "type" and value != ""}
    for name, value in given.items():
        if name not in known:
            wrong[name] = "unknown"
        elif not isinstance(value, str):
            wrong[name] = "text"
        elif kind != "xml":
            check = known_format(kind) if name == "format" else CHECKS[name]
            if fault := check(value):
                wrong[name] = fault
    for name, field in known.items():
        if name not in given and not isinstance(field.default, str):
            wrong[name] = "missing"
    if wrong:
        raise BadPool(wrong)
    spec = SPECS[kind](**given)
    if isinstance(spec, Written):
        check_written(spec.document, own, confirmed)
    elif isinstance(spec, Dir | Fs | Netfs):
        check_path(spec.path, own, confirmed, "path")
    return spec


def check_path(path: str, own: Collection[str], confirmed: str, field: str) -> None:
    """BadPool where it is the system's, unless that was said twice."""
    if is_systems(path, own) and confirmed != path:
        raise BadPool({field: "system_path"})


def check_written(text: str, own: Collection[str], confirmed: str) -> None:
    """BadPool where it is no pool that the schema knows, or carries what would be stored as it is."""
    try:
        root = parse(text)
    except BadXML:
        raise BadPool({"document": "xml"}) from None
    if root.tag != "pool":
        raise BadPool({"document": "no_pool"})
    if any(isinstance(element.tag, str) and element.tag.startswith("{") for element in root.iter()):
        # Mount options and Ceph's configuration: they may hold passwords, and the definition is stored and shown.
        raise BadPool({"document": "foreign"})
    if root.find("uuid") is not None:
        raise BadPool({"document": "has_uuid"})
    if faults(text):
        raise BadPool({"document": "schema"})
    if not NAME.match((root.findtext("name") or "").strip()):
        raise BadPool({"document": "pool_name"})
    path = (root.findtext("target/path") or "").strip()
    if path and not (root.get("type") in DEVICES and path.startswith("/dev")):
        check_path(path, own, confirmed, "document")


def spec_name(spec: PoolSpec) -> str:
    """What the pool is called."""
    return (parse(spec.document).findtext("name") or "").strip() if isinstance(spec, Written) else spec.name


def spec_type(spec: PoolSpec) -> str:
    """libvirt's word for its type."""
    if isinstance(spec, Written):
        return str(parse(spec.document).get("type") or "")
    return next(name for name, sort in SPECS.items() if sort is type(spec))


def secret_name(name: str) -> str:
    """The purpose under which the pool's secret is kept on its host."""
    return f"kvmweb pool {name}"
