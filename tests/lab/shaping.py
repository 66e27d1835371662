"""The machine with everything that lenses reach (tests/data/shapes.py) on a real host, with what it takes there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt

from tests.data.shapes import MACHINE, TPM, UUID, VSOCK
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.lab.test_create import in_turn

MIB = 1 << 20
OTHER = "<network><name>other</name></network>"


@contextmanager
def surroundings(host: LabHost) -> Iterator[LabPool]:
    """A pool with three volumes, a second network beside the default one, which is active, and libvirt's filters."""
    with folder_pool(host) as pool:
        for name in ("first", "second", "third"):
            pool.make(name, MIB)
        connection = host.connect()
        connection.networkDefineXML(OTHER).create()
        default = connection.networkLookupByName("default")
        was_active = default.isActive()
        if not was_active:
            default.create()
        texts = [path.read_text() for path in sorted(Path("/etc/libvirt/nwfilter").glob("*.xml"))]
        filters = [connection.nwfilterDefineXML(text).name() for text in in_turn(connection, texts)]
        connection.close()
        try:
            yield pool
        finally:
            # A connection of its own: libvirtd may have been started again.
            connection = host.connect()
            connection.networkLookupByName("other").destroy()
            connection.networkLookupByName("other").undefine()
            if not was_active:
                connection.networkLookupByName("default").destroy()
            for name in reversed(filters):
                connection.nwfilterLookupByName(name).undefine()
            connection.close()


def machine_on(pool: LabPool) -> str:
    """Without its TPM: with no swtpm on the host libvirt takes none (docs/unproved.md). Without its socket to the host:
    it would not start where the kernel has none."""
    return MACHINE.replace("POOL", pool.name).replace(TPM, "").replace(VSOCK, "")


def with_socket(host: LabHost, dashboard: Dashboard, own: str) -> None:
    """The machine has it from now on, and the dashboard knows."""
    connection = host.connect()
    text = connection.lookupByUUIDString(own).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    connection.defineXML(text.replace("</devices>", f"{VSOCK}</devices>"))
    connection.close()
    path = f"/vms/{dashboard.vm(own)}/devices"
    eventually(lambda: "vsock0" in [one["key"] for one in dashboard.get(path)["items"]], "it is seen", within=60)


@contextmanager
def defined(host: LabHost, text: str) -> Iterator[str]:
    """The UUID of the machine, which is gone afterwards."""
    own = str(uuid.uuid4())
    connection = host.connect()
    connection.defineXML(text.replace(UUID, own))
    try:
        yield own
    finally:
        domain = connection.lookupByUUIDString(own)
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_TPM)
        connection.close()


def said(found: Any) -> str:
    """What an XPath found, as one text."""
    if isinstance(found, list):
        found = found[0] if found else ""
    return str(found if isinstance(found, str) else found.text)


@contextmanager
def kept(dashboard: Dashboard, table: str, column: str, value: str, rows: str = "1") -> Iterator[None]:
    """The column has that value in those rows, whatever a watcher writes there when it reads what its host is made of:
    that is every ten minutes, after an event, or when somebody asks."""
    fact = f"UPDATE {table} SET {column} = {value} WHERE {rows}"
    trigger = f"CREATE TRIGGER kept_{column} AFTER UPDATE OF {column} ON {table} BEGIN {fact} AND id = new.id; END"
    run = "from django.db import connection; connection.cursor().execute({!r})"
    for statement in (trigger, fact):
        dashboard.do(run.format(statement))
    try:
        yield
    finally:
        dashboard.do(run.format(f"DROP TRIGGER kept_{column}"))


@contextmanager
def drawing_in_3d(dashboard: Dashboard) -> Iterator[None]:
    """As if each host had a graphics card: a definition says so on any, and starts where there is one."""
    with kept(dashboard, "vms_host", "hardware", "json_set(hardware, '$.three_d', json('true'))"):
        yield


@contextmanager
def docs_and_stick(dashboard: Dashboard, vm: int) -> Iterator[None]:
    """A folder and a USB device of the VM's host are offered, as if that were plugged in."""
    dashboard.do(
        "from django.db import transaction; from vms.models import HostDevice, Offer, Placement\n"
        "with transaction.atomic():\n"
        f"    host = Placement.objects.get(vm={vm}).host\n"
        "    Offer.objects.create(host=host, kind='folder', name='docs', path='/srv/docs', read_only=False)\n"
        "    usb = HostDevice(host=host, name='usb_9', kind='usb', vendor_id='0x1234', product_id='0xabcd')\n"
        "    usb.save()\n"
        "    Offer.objects.create(host=host, kind='usb', name='stick', device=usb)"
    )
    with kept(dashboard, "vms_hostdevice", "present", "1", "name = 'usb_9'"):
        yield
