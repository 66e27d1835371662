"""The only room that parses or builds libvirt's documents: lenses, masks, and the few documents of our own."""

from vms.libvirtxml.boot import What, boot_first, boot_order, put_order
from vms.libvirtxml.defaults import network_document, pool_document
from vms.libvirtxml.difference import DEFINE, Need, difference, strayed, uncovered
from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.domain import Disk, DomainXML, Graphics, Interface
from vms.libvirtxml.glance import glance, without_password
from vms.libvirtxml.listening import Where, loopback, unreachable, where
from vms.libvirtxml.mask import SECRET, mask, masked
from vms.libvirtxml.pool import (
    EXAMPLES,
    FORMATS,
    SECRETS,
    SPECS,
    BadPool,
    PoolSpec,
    canonical,
    made_pool,
    names_secret,
    pool_sources,
    public_pool,
    read_spec,
    secret_name,
    source_document,
    spec_name,
    spec_type,
    used_sources,
)
from vms.libvirtxml.screen import Listen, add_vnc_screen, let_vnc_listen, new_password
from vms.libvirtxml.secret import secret_document
from vms.libvirtxml.serial import add_serial
from vms.libvirtxml.validate import faults

__all__ = [
    "DEFINE",
    "EXAMPLES",
    "FORMATS",
    "SECRET",
    "SECRETS",
    "SPECS",
    "BadPool",
    "BadXML",
    "Disk",
    "DomainXML",
    "Graphics",
    "Interface",
    "Listen",
    "Need",
    "PoolSpec",
    "What",
    "Where",
    "add_serial",
    "add_vnc_screen",
    "boot_first",
    "boot_order",
    "canonical",
    "difference",
    "faults",
    "glance",
    "let_vnc_listen",
    "loopback",
    "made_pool",
    "mask",
    "masked",
    "names_secret",
    "network_document",
    "new_password",
    "parse",
    "pool_document",
    "pool_sources",
    "public_pool",
    "put_order",
    "read_spec",
    "secret_document",
    "secret_name",
    "serialize",
    "source_document",
    "spec_name",
    "spec_type",
    "strayed",
    "uncovered",
    "unreachable",
    "used_sources",
    "where",
    "without_password",
]
