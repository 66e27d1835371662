"""Small VMs of many kinds, each with something that libvirt or QEMU treats in a way of its own when it starts.

FOLDER is where their files are: NAME-a.img raw, NAME-b.qcow2 over another, NAME.iso, NAME.flp, and the folder NAME.d.
"""

from __future__ import annotations

from typing import Final

A: Final = "<driver name='qemu' type='raw'{}/><source file='FOLDER/NAME-a.img'/>"
B: Final = "<driver name='qemu' type='qcow2'{}/><source file='FOLDER/NAME-b.qcow2'/>"
HD: Final = "<os><type arch='x86_64' machine='{}'>hvm</type><boot dev='hd'/></os>"
NET: Final = "<interface type='network'><source network='default'/>{}</interface>"
USER: Final = "<interface type='user'>{}</interface>"


def vm(
    devices: str = "", *, machine: str = "q35", os: str = "", cpu: str = "", head: str = "", features: str = "<acpi/>",
    memory: str = "<memory unit='MiB'>64</memory>", vcpu: str = "<vcpu>1</vcpu>", top: str = "",
) -> str:  # fmt: skip
    return (
        f"<domain type='qemu'{top}><name>NAME</name>{head}{memory}{vcpu}{os or HD.format(machine)}"
        f"<features>{features}</features>{cpu}<devices>{devices}</devices></domain>"
    )


def disk(bus: str, dev: str, driver: str = "", more: str = "", *, over: bool = False, how: str = "") -> str:
    """over: the one that lies over another."""
    source = (B if over else A).format(driver)
    return f"<disk type='file' device='disk'{how}>{source}<target dev='{dev}' bus='{bus}'/>{more}</disk>"


def drive(bus: str, dev: str, file: str = "", device: str = "cdrom", more: str = "<readonly/>") -> str:
    source = f"<source file='FOLDER/{file}'/>" if file else ""
    return f"<disk type='file' device='{device}'>{source}<target dev='{dev}' bus='{bus}'/>{more}</disk>"


def cpu(inside: str, mode: str = "custom") -> str:
    return f"<cpu mode='{mode}'{' match=' + repr('exact') if mode == 'custom' else ''}>{inside}</cpu>"


SCSI: Final = "<controller type='scsi' model='virtio-scsi'/>"
CELL: Final = "<cell id='{0}' cpus='{0}' memory='32' unit='MiB'/>"
CELLS: Final = f"<numa>{CELL.format(0)}{CELL.format(1)}</numa>"
QEMU: Final = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"

KINDS: Final[dict[str, str]] = {
    # Machines and what they start by.
    "bare": vm(),
    "old-machine": vm(machine="pc"),
    "fixed-machine": vm(machine="pc-i440fx-6.0"),
    "fixed-q35": vm(machine="pc-q35-5.2"),
    "i686": vm(os="<os><type arch='i686' machine='pc'>hvm</type></os>"),
    "no-acpi": vm(machine="pc", features="<pae/>"),
    "boot-menu": vm(
        os="<os><type arch='x86_64' machine='q35'>hvm</type><bootmenu enable='yes' timeout='1000'/>"
        "<bios useserial='yes' rebootTimeout='10'/></os>",
        devices="<serial type='pty'/>",
    ),
    "boot-order": vm(
        disk("virtio", "vda", more="<boot order='2'/>") + NET.format("<model type='virtio'/><boot order='1'/>"),
        os="<os><type arch='x86_64' machine='q35'>hvm</type></os>",
    ),
    "smbios": vm(
        head="<sysinfo type='smbios'><bios><entry name='vendor'>x</entry></bios></sysinfo>",
        os="<os><type arch='x86_64' machine='q35'>hvm</type><smbios mode='sysinfo'/></os>",
    ),
    # Processors.
    "host-model": vm(cpu=cpu("", "host-model")),
    "maximum": vm(cpu=cpu("", "maximum")),
    "qemu64": vm(cpu=cpu("<model fallback='allow'>qemu64</model>")),
    "features": vm(
        cpu=cpu(
            "<model fallback='allow'>Nehalem</model><feature policy='disable' name='vmx'/>"
            "<feature policy='optional' name='aes'/>"
        )
    ),
    "topology": vm(cpu=cpu("<topology sockets='1' cores='2' threads='2'/>", "maximum"), vcpu="<vcpu>4</vcpu>"),
    "cells": vm(cpu=cpu(CELLS, "maximum"), vcpu="<vcpu>2</vcpu>"),
    "later-processors": vm(vcpu="<vcpu current='1'>4</vcpu>"),
    "single-processors": vm(
        vcpu="<vcpu current='2'>3</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>"
        "<vcpu id='1' enabled='yes' hotpluggable='yes'/><vcpu id='2' enabled='no' hotpluggable='yes'/></vcpus>"
    ),
    # Memory.
    "less-memory": vm(memory="<memory unit='MiB'>96</memory><currentMemory unit='MiB'>64</currentMemory>"),
    "more-memory": vm(
        memory="<maxMemory slots='4' unit='MiB'>512</maxMemory><memory unit='MiB'>192</memory>",
        cpu=cpu("<numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa>", "maximum"),
        devices="<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>",
    ),
    "shared-memory": vm(
        head="",
        memory=(
            "<memory unit='MiB'>64</memory>"
            "<memoryBacking><source type='memfd'/><access mode='shared'/><nosharepages/></memoryBacking>"
        ),
    ),
    "no-balloon": vm("<memballoon model='none'/>"),
    "balloon": vm(
        "<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats period='5'/></memballoon>"
    ),
    # Features, clocks.
    "hyperv": vm(
        features="<acpi/><apic/><hyperv><relaxed state='on'/></hyperv><vmport state='off'/>",
        cpu=cpu("", "maximum") + "<clock offset='localtime'><timer name='hpet' present='no'/>"
        "<timer name='rtc' tickpolicy='catchup'/></clock>",
    ),
    "time-zone": vm(cpu="<clock offset='timezone' timezone='Europe/Berlin'/>"),
    "own-clock": vm(cpu="<clock offset='variable' adjustment='3600' basis='utc'/>"),
    "power": vm(cpu="<on_crash>preserve</on_crash><pm><suspend-to-mem enabled='no'/></pm>"),
    # Disks.
    "virtio-disk": vm(
        disk("virtio", "vda", " cache='none' discard='unmap' detect_zeroes='unmap'", "<serial>x</serial>")
    ),
    "overlay": vm(disk("virtio", "vda", over=True)),
    "limited-disk": vm(disk("virtio", "vda", "", "<iotune><total_iops_sec>100</total_iops_sec></iotune>")),
    "scsi-disk": vm(disk("scsi", "sda", " io='threads' cache='none'") + SCSI),
    "io-threads": vm(
        disk("virtio", "vda", " iothread='1'"),
        vcpu="<vcpu>1</vcpu><iothreads>2</iothreads>",
    ),
    "usb-disk": vm(disk("usb", "sda", more="<readonly/>") + "<controller type='usb' model='qemu-xhci'/>"),
    "ide-disk": vm(disk("ide", "hda") + drive("ide", "hdc", "NAME.iso"), machine="pc"),
    "sata-drives": vm(drive("sata", "sda") + drive("sata", "sdb", "NAME.iso")),
    "floppy": vm(
        drive("fdc", "fda", "NAME.flp", "floppy", "") + drive("fdc", "fdb", device="floppy", more=""), machine="pc"
    ),
    "shared-disk": vm(disk("virtio", "vda", " cache='none'", "<shareable/>")),
    # Cards.
    "virtio-card": vm(NET.format("<model type='virtio'/><driver queues='2'/>"), vcpu="<vcpu>2</vcpu>"),
    "old-card": vm(NET.format("<model type='rtl8139'/><link state='down'/>"), machine="pc"),
    "mtu": vm(NET.format("<model type='e1000e'/><mtu size='1400'/>")),
    "named-card": vm(NET.format("<model type='virtio'/><target dev='mine0'/><alias name='ua-first'/>")),
    "user-card": vm(USER.format("<model type='virtio'/>")),
    "bridge-card": vm("<interface type='bridge'><source bridge='virbr0'/><model type='virtio'/></interface>"),
    "filtered-card": vm(NET.format("<model type='virtio'/><filterref filter='clean-traffic'/>")),
    "socket-card": vm(
        "<interface type='udp'><source address='127.0.0.1' port='5558'>"
        "<local address='127.0.0.1' port='5559'/></source><model type='e1000'/></interface>"
    ),
    # Screens.
    "vnc": vm(
        "<graphics type='vnc' autoport='yes' listen='127.0.0.1'/><video><model type='cirrus'/></video>", machine="pc"
    ),
    "vnc-port": vm("<graphics type='vnc' port='5977' autoport='no' passwd='x' keymap='de'/>"),
    "vnc-socket": vm("<graphics type='vnc'><listen type='socket'/></graphics><video><model type='bochs'/></video>"),
    "spice": vm(
        "<graphics type='spice' autoport='yes'><image compression='off'/></graphics>"
        "<video><model type='qxl' heads='2'/></video>"
        "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"
        "<redirdev bus='usb' type='spicevmc'/><sound model='ich9'/>"
    ),
    "both-screens": vm(
        "<graphics type='vnc'/><graphics type='spice'><listen type='none'/></graphics>"
        "<video><model type='virtio'/></video>"
        "<audio id='1' type='none'/><sound model='ich6'><codec type='micro'/></sound>"
    ),
    # Lines and channels.
    "lines": vm(
        "<serial type='pty'/><serial type='file'><source path='FOLDER/NAME.log'/></serial><parallel type='null'/>"
        "<console type='pty'><target type='virtio' port='1'/></console>",
    ),
    "sockets": vm(
        "<serial type='unix'><source mode='bind' path='FOLDER/NAME.sock'/></serial>"
        "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/><protocol type='raw'/></serial>"
    ),
    "channels": vm(
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<channel type='qemu-vdagent'><source><clipboard copypaste='yes'/></source>"
        "<target type='virtio' name='com.redhat.spice.0'/></channel><controller type='virtio-serial' ports='8'/>"
    ),
    # What else there is.
    "inputs": vm(
        "<input type='tablet' bus='usb'/><input type='keyboard' bus='virtio'/><controller type='usb' model='nec-xhci'/>"
    ),
    "companions": vm(
        "<controller type='usb' index='0' model='ich9-ehci1'/>"
        + "".join(
            f"<controller type='usb' index='0' model='ich9-uhci{number}'><master startport='{2 * number - 2}'/>"
            "</controller>"
            for number in (1, 2, 3)
        )
        + "<hub type='usb'/>"
    ),
    "bridges": vm(
        "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>"
        "<controller type='pci' index='2' model='pcie-to-pci-bridge'/><sound model='ac97'/>" + SCSI
    ),
    "pci-bridge": vm(
        "<controller type='pci' index='1' model='pci-bridge'/><watchdog model='ib700' action='pause'/>", machine="pc"
    ),
    "random": vm(
        "<rng model='virtio'><rate bytes='1024' period='1000'/><backend model='random'>/dev/urandom</backend></rng>"
        "<watchdog model='i6300esb'/><panic model='isa'/>"
    ),
    "iommu": vm(
        "<iommu model='intel'><driver intremap='on'/></iommu>", features="<acpi/><apic/><ioapic driver='qemu'/>"
    ),
    "folder": vm("<filesystem type='mount'><source dir='FOLDER/NAME.d'/><target dir='data'/></filesystem>"),
    "shmem": vm("<shmem name='NAME'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"),
    "smartcard": vm(
        "<smartcard mode='passthrough' type='unix'><source mode='bind' path='FOLDER/NAME.card'/></smartcard>"
    ),
    "core-info": vm(features="<acpi/><vmcoreinfo state='on'/>"),
    # What no lens knows.
    "metadata": vm(
        head="<title>A &amp; B</title><description>two\nlines</description>"
        "<metadata><a:b xmlns:a='urn:a'>x</a:b></metadata>"
    ),
    "arguments": vm(top=QEMU).replace(
        "</domain>",
        "<qemu:commandline><qemu:arg value='-msg'/><qemu:arg value='timestamp=on'/></qemu:commandline></domain>",
    ),
    "generation": vm(head="<genid/>"),
}
# By these the host's files or its address are bound to it, or QEMU does not let go of them.
STAY: Final = frozenset({"folder", "bridge-card", "vnc-port"})
