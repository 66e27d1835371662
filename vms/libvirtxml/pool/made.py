"""The document that is made of a pool's description."""

from __future__ import annotations

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.document import serialize
from vms.libvirtxml.pool.spec import (
    Dir,
    Disk,
    Fs,
    IscsiDirect,
    Logical,
    Netfs,
    PoolSpec,
    Rbd,
    Written,
    monitor,
    secret_name,
    spec_type,
)


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
