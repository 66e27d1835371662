"""Storage pools: one small description a type, the document that is made of it, and what a document says."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.mask import SECRET, VALUE, masked
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
# Nothing that VMs are kept in: with an upload into one of these, or a look into it, one is root on the host.
SYSTEM: Final = (
    "/etc", "/root", "/home", "/dev", "/proc", "/sys", "/run", "/var/run", "/boot", "/usr", "/bin", "/sbin", "/lib",
    "/lib64", "/var/lib/libvirt/qemu",
)  # fmt: skip
MOST_SOURCES: Final = 200


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

    own: further folders that are as little to be one as SYSTEM. confirmed: the path that is meant in spite of that.
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


def is_systems(path: str, own: Collection[str] = ()) -> bool:
    """Whether it is, or is in, a folder that is nobody's to keep disks in."""
    real = posixpath.normpath("/" + path.lstrip("/"))
    return real == "/" or any(real == folder or real.startswith(folder + "/") for folder in (*SYSTEM, *own))


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


def made_pool(spec: PoolSpec) -> str:
    """The document that is defined."""
    return spec.document if isinstance(spec, Written) else serialize(pretty(element(spec)))


def pretty(root: etree._Element) -> etree._Element:
    etree.indent(root)
    return root


def element(spec: Dir | Fs | Netfs | Disk | Logical | IscsiDirect | Rbd) -> etree._Element:
    source, target = parts(spec)
    children = [E.name(spec.name)]
    children += [E.source(*source)] if source else []
    children += [E.target(E.path(target))] if target else []
    made: etree._Element = E.pool(*children, type=spec_type(spec))
    return made


def parts(spec: Dir | Fs | Netfs | Disk | Logical | IscsiDirect | Rbd) -> tuple[list[etree._Element], str]:
    """What is in its source, and where its volumes are."""
    if isinstance(spec, Dir):
        return [], spec.path
    if isinstance(spec, Fs):
        return [E.device(path=spec.device), E.format(type=spec.format)], spec.path
    if isinstance(spec, Netfs):
        return [E.host(name=spec.server), E.dir(path=spec.export), E.format(type=spec.format)], spec.path
    if isinstance(spec, Disk):
        return [E.device(path=spec.device), E.format(type=spec.format)], "/dev"
    if isinstance(spec, Logical):
        device = [E.device(path=spec.device)] if spec.device else []
        return [*device, E.name(spec.group), E.format(type="lvm2")], f"/dev/{spec.group}"
    if isinstance(spec, IscsiDirect):
        port = {"port": spec.port} if spec.port else {}
        return [
            E.host(name=spec.server, **port), E.device(path=spec.target), E.initiator(E.iqn(name=spec.initiator)),
            *auth("chap", spec),
        ], ""  # fmt: skip
    hosts = [monitor(part) for part in spec.monitors.split()]
    named = [E.host(name=host, **({"port": port} if port else {})) for host, port in hosts]
    return [*named, E.name(spec.pool), *auth("ceph", spec)], ""


def auth(kind: str, spec: IscsiDirect | Rbd) -> list[etree._Element]:
    return [E.auth(E.secret(usage=secret_name(spec.name)), type=kind, username=spec.user)] if spec.user else []


def public_pool(text: str) -> str:
    """The definition without secrets, and without what the host counts; "" for what is not taken."""
    try:
        root = masked(text)
    except BadXML:
        return ""
    for name in ("capacity", "allocation", "available"):
        for counted in root.findall(name):
            root.remove(counted)
    for option in root.iter("{*}option"):
        if option.tag != "option" and "name" in option.attrib:
            option.set("name", VALUE.sub(f"={SECRET}", str(option.get("name"))))
    etree.indent(root)
    return serialize(root)


def canonical(text: str) -> tuple[str, str]:
    """(kind, source) of what the bytes of a pool are, in one way for all hosts; source is "" for what is its host's
    own, and for a document that is not taken."""
    try:
        root = parse(text)
    except BadXML:
        return "", ""
    kind, source = str(root.get("type") or ""), root.find("source")
    if source is None:
        return kind, ""
    name = (source.findtext("name") or "").strip()
    hosts = ",".join(sorted(address(host) for host in source.iterfind("host")))
    folder, device = attribute(source, "dir"), attribute(source, "device")
    if kind == "netfs" and hosts and folder:
        sort = source.find("format")
        told = str(sort.get("type")) if sort is not None else "auto"
        return kind, f"{'nfs' if told == 'auto' else told}://{hosts}{posixpath.normpath('/' + folder.strip('/'))}"
    if kind in ("iscsi", "iscsi-direct") and hosts and device:
        return "iscsi", f"iscsi://{hosts}/{device}"
    if kind == "rbd" and hosts and name:
        return kind, f"rbd://{hosts}/{name}"
    if kind == "gluster" and hosts and name:
        return kind, f"gluster://{hosts}/{name}{posixpath.normpath('/' + folder.strip('/'))}"
    return (kind, f"vstorage://{name}") if kind == "vstorage" and name else (kind, "")


def address(host: etree._Element) -> str:
    """Names in small letters; the usual port as none."""
    name, port = str(host.get("name") or "").lower().rstrip("."), str(host.get("port") or "")
    return f"{name}:{port}" if port not in ("", "0", "3260", "6789", "24007") else name


def attribute(source: etree._Element, tag: str) -> str:
    found = source.find(tag)
    return str(found.get("path") or "") if found is not None else ""


def source_document(server: str, port: str = "", initiator: str = "") -> str:
    """Where a host is to look for sources, and as whom."""
    source = E.source(E.host(name=server, **({"port": port} if port else {})))
    if initiator:
        source.append(E.initiator(E.iqn(name=initiator)))
    return serialize(source)


def pool_sources(text: str | None) -> list[dict[str, str]]:
    """What a host found, in the names of the specs' fields; what does not fit them is left out."""
    try:
        root = parse(text) if text else None
    except BadXML:
        return []
    found = [fields_of(source) for source in root.iterfind("source")] if root is not None else []
    return [fitting for fitting in found if fitting][:MOST_SOURCES]


def fields_of(source: etree._Element) -> dict[str, str]:
    host, name = source.find("host"), (source.findtext("name") or "").strip()
    told = {
        "server": str(host.get("name") or "") if host is not None else "",
        "export": attribute(source, "dir"),
        "target": device if IQN.match(device := attribute(source, "device")) else "",
        "device": device if DEVICE.match(device) else "",
        "group": name,
    }
    return {field: value for field, value in told.items() if value and not CHECKS[field](value)}


def used_sources(text: str) -> set[str | tuple[str, str]]:
    """What a domain's disks, their backing files and its firmware are in: paths, and (pool, volume)."""
    try:
        root = parse(text)
    except BadXML:
        return set()
    found: set[str | tuple[str, str]] = set()
    for source in root.iterfind("devices/disk//source"):
        found |= {str(source.get(name)) for name in ("file", "dev", "name") if source.get(name)}
        if source.get("pool") and source.get("volume"):
            found.add((str(source.get("pool")), str(source.get("volume"))))
    found |= {path for name in ("kernel", "initrd", "dtb", "loader", "nvram") if (path := root.findtext(f"os/{name}"))}
    return found


def names_secret(text: str, uuid: str, usage: str) -> bool:
    """Whether a document, of a pool or a domain, names the secret by one of the two."""
    try:
        root = parse(text)
    except BadXML:
        return False
    return any(secret.get("uuid") == uuid or (usage and secret.get("usage") == usage) for secret in root.iter("secret"))


# Where there is no form: a definition to be changed, as the schema and libvirt take it.
EXAMPLES: Final[dict[str, str]] = {
    "iscsi": """\
<pool type="iscsi">
  <name>san</name>
  <source>
    <host name="san.example"/>
    <device path="iqn.2026-01.example:vms"/>
  </source>
  <target>
    <path>/dev/disk/by-path</path>
  </target>
</pool>""",
    "scsi": """\
<pool type="scsi">
  <name>fibre</name>
  <source>
    <adapter type="scsi_host" name="scsi_host5"/>
  </source>
  <target>
    <path>/dev/disk/by-path</path>
  </target>
</pool>""",
    "mpath": """\
<pool type="mpath">
  <name>multipath</name>
  <target>
    <path>/dev/mapper</path>
  </target>
</pool>""",
    "gluster": """\
<pool type="gluster">
  <name>gluster</name>
  <source>
    <host name="gluster.example"/>
    <dir path="/"/>
    <name>vms</name>
  </source>
</pool>""",
    "zfs": """\
<pool type="zfs">
  <name>tank</name>
  <source>
    <name>tank/vms</name>
  </source>
</pool>""",
    "vstorage": """\
<pool type="vstorage">
  <name>virtuozzo</name>
  <source>
    <name>cluster</name>
  </source>
  <target>
    <path>/srv/vstorage</path>
  </target>
</pool>""",
}
