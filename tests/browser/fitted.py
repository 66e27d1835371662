"""VMs whose hardware has something to show: a disk that can move, CD drives, and what is offered to them."""

from __future__ import annotations

from collections.abc import Callable

import libvirt

from tests.browser.stage import Stage

BOTH = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
DRIVE = (
    "<disk type='{kind}' device='cdrom'><driver name='qemu' type='raw'/>{source}<target dev='{dev}' bus='ide'/>"
    "<readonly/></disk>"
)
IN_IT = "<source pool='kept' volume='installer.iso'/>"
IMAGE = """
from vms.models import *
fields = {{'kind': 'iso', 'format': 'raw', 'sha256': '1' * 64}}
image, _ = Image.objects.update_or_create(name='Installer of a system with a long name, 13.1', defaults=fields)
ImageCopy.objects.update_or_create(volume_id={volume}, defaults={{'image': image, 'published': False}})
"""
OFFERS = """
from vms.models import *
usb = {'kind': 'usb', 'address': '1:4', 'vendor_id': '0x1234', 'product_id': '0xabcd', 'vendor': 'Dongle & Sons'}
usb |= {'product': 'Key', 'present': True}
stick, _ = HostDevice.objects.update_or_create(host_id=1, name='usb_9', defaults=usb)
for name, rest in (('docs', {'kind': 'folder', 'path': '/srv/docs'}), ('stick', {'kind': 'usb', 'device': stick})):
    Offer.objects.update_or_create(host_id=1, name=name, defaults=rest)
"""


def disk_to_move(stage: Stage) -> str:
    """The form of a disk that has another pool to go to."""
    stage.pool(name="roomy")
    return f"{stage.with_disk()}hardware/?part=vda"


def new_disk(stage: Stage) -> str:
    """The form by which a VM that is off gets a disk."""
    return f"{stage.with_disk()}hardware/?part=add&sort=disk"


def had_a_disk(stage: Stage) -> str:
    """The list of a VM from which a disk was taken out."""
    volume, path = stage.volume(name="archive-of-the-shop-2024.qcow2").split("/")[2], stage.with_disk()
    vm = path.split("/")[2]
    stage.dashboard.do(f"from vms.models import *; Volume.objects.filter(pk={volume}).update(last_vm={vm})")
    return f"{path}hardware/"


def offered(sort: str) -> Callable[[Stage], str]:
    """What is offered as such a device, on the form of a VM that is off."""

    def path(stage: Stage) -> str:
        stage.dashboard.do(OFFERS)
        return f"{stage.is_off('idle').path}hardware/?part=add&sort={sort}"

    return path


def offers(stage: Stage) -> str:
    """The page of all that is offered."""
    stage.dashboard.do(OFFERS)
    return "/offers/"


def with_cds(stage: Stage) -> str:
    """The console of a VM that runs with two CD drives, of which the first is empty."""
    volume = stage.volume(name="installer.iso", form="raw").split("/")[2]
    stage.dashboard.do(IMAGE.format(volume=volume))
    path = stage.reporter().removesuffix("agent/")
    player = stage.cast["reporter"]
    domain = player.guest.domain
    for dev, source in (("hda", ""), ("hdb", IN_IT)):
        drive = DRIVE.format(kind="volume" if source else "file", source=source, dev=dev)
        domain.updateDeviceFlags(drive, BOTH)
    # libvirt tells of a definition that is given to it, not of a drive's disc.
    domain.connect().defineXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    for key, there in (("hda", ""), ("hdb", "kept/installer.iso")):
        stage.await_device(player.pk, key, there)
    return f"{path}console/"
