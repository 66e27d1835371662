"""Guests of a lab host, and what they say on their serial lines."""

from __future__ import annotations

import re
import time
from pathlib import Path

import libvirt
from lxml import etree
from lxml.builder import E

from tests.lab.machine import LabHost, eventually
from vms.demo import guest

WITH_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


def domain_type() -> str:
    """kvm where the processor's flag is there too; /dev/kvm alone does not say so."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return "kvm" if Path("/dev/kvm").exists() and ("vmx" in flags or "svm" in flags) else "qemu"


def definition(
    name: str,
    files: guest.Guest,
    serial: Path,
    *,
    obeys: bool,
    graphics: str | None,
    network: str | None,
    shell: bool,
    clipboard: bool,
    agent: Path | None,
    cds: int,
    identity: str,
) -> str:
    """A small VM that runs the guest; graphics is vnc, spice or None. shell: on a second serial line, a pty.
    clipboard: it crosses the screen, through the channel of a guest's agent. agent: it has a guest agent's channel,
    and one to this socket, by which tests/lab/agents.py plays the agent. cds: so many empty CD drives.
    identity: its UUID, "" for a new one."""
    wishes = "report-pointer" + ("" if obeys else " ignore-power")
    devices = E.devices(
        E.controller(type="usb", model="none"),
        E.serial(E.source(path=str(serial), append="on"), type="file"),
        E.input(type="tablet", bus="virtio"),
        E.memballoon(model="none"),
    )
    if shell:
        devices.append(E.serial(type="pty"))
    if clipboard:
        devices.append(
            E.channel(
                E.source(E.clipboard(copypaste="yes")),
                E.target(type="virtio", name="com.redhat.spice.0"),
                type="qemu-vdagent",
            )
        )
    if agent:
        devices.append(E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"))
        devices.append(
            E.channel(
                E.source(mode="bind", path=str(agent)), E.target(type="virtio", name="kvmweb.played"), type="unix"
            )
        )
    for letter in "ab"[:cds]:
        devices.append(E.disk(E.target(dev=f"hd{letter}", bus="ide"), E.readonly(), type="file", device="cdrom"))
    if graphics:
        devices.append(E.graphics(E.listen(type="none"), type=graphics))
        devices.append(E.video(E.model(type="vga")))
    if network:
        devices.append(E.interface(E.source(network=network), E.model(type="virtio"), type="network"))
    return etree.tostring(
        E.domain(
            E.name(name),
            *([E.uuid(identity)] if identity else []),
            E.memory("128", unit="MiB"),
            E.vcpu("1"),
            E.sysinfo(
                E.system(
                    E.entry("kvmweb test guest", name="product"),
                    E.entry(name, name="serial"),
                    E.entry(wishes, name="family"),
                ),
                type="smbios",
            ),
            E.os(
                E.type("hvm", arch="x86_64", machine="pc"),
                E.kernel(str(files.kernel)),
                E.initrd(str(files.initrd)),
                E.cmdline(guest.COMMAND_LINE),
                E.smbios(mode="sysinfo"),
            ),
            E.features(E.acpi()),
            devices,
            type=domain_type(),
        ),
        encoding="unicode",
    )


class LabGuest:
    """A VM as its host knows it, without the dashboard."""

    def __init__(self, host: LabHost, name: str, serial: Path) -> None:
        self.host = host
        self.name = name
        self.serial = serial
        self.uuid: str = host.connect().lookupByName(name).UUIDString()

    @property
    def domain(self) -> libvirt.virDomain:
        """Through a connection of its own, since libvirtd may have been started again."""
        return self.host.connect().lookupByUUIDString(self.uuid)

    def lines(self) -> list[str]:
        """All that it ever said on its serial line."""
        return self.serial.read_text(errors="replace").split("\n") if self.serial.exists() else []

    def boots(self) -> list[str]:
        """The id of each boot; the last line may just be on its way."""
        return [line.split()[1] for line in self.lines()[:-1] if line.startswith("boot ")]

    def counts(self) -> list[int]:
        """The seconds that it counted, over all boots."""
        return [int(found[1]) for line in self.lines() if (found := re.match(r"up (\d+) s", line))]

    def state(self) -> int:
        """libvirt's number, as VIR_DOMAIN_RUNNING."""
        return int(self.domain.state()[0])

    def is_running(self) -> bool:
        return bool(self.state() == libvirt.VIR_DOMAIN_RUNNING)

    def is_off(self) -> bool:
        return bool(self.state() == libvirt.VIR_DOMAIN_SHUTOFF)

    def start(self) -> None:
        """Start it from outside and wait until its own programs run."""
        self.domain.create()
        self.wait_for_boot()

    def wait_for_boot(self, number: int = 1) -> None:
        """Wait until it counts after its number-th boot."""
        eventually(lambda: len(self.boots()) >= number, f"boot {number} of {self.name}", within=120)
        self.wait_for_count()

    def wait_for_count(self) -> None:
        """Wait until it counts one further second."""
        said = len(self.counts())
        eventually(lambda: len(self.counts()) > said, f"{self.name} counts", within=30)

    def wait_for_line(self, text: str, *, within: float = 30) -> None:
        eventually(lambda: any(text in line for line in self.lines()), f"{text!r} from {self.name}", within=within)

    def stands_still(self, seconds: float = 2.5) -> bool:
        """Whether it counts nothing for so long."""
        said = len(self.counts())
        time.sleep(seconds)
        return len(self.counts()) == said

    def remove(self) -> None:
        """Take it away, whatever it does and whether it is still there."""
        try:
            domain = self.domain
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(WITH_ALL)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise


class Guests:
    """Defines guests on a host; `make` takes what differs from a VM with VNC that obeys its power button."""

    def __init__(self, host: LabHost, files: guest.Guest) -> None:
        self.host = host
        self.files = files
        self.made: list[LabGuest] = []

    def make(
        self,
        name: str,
        *,
        obeys: bool = True,
        graphics: str | None = "vnc",
        network: str | None = None,
        shell: bool = False,
        clipboard: bool = False,
        agent: Path | None = None,
        cds: int = 0,
        identity: str = "",
        start: bool = False,
    ) -> LabGuest:
        serial = self.host.folder / "serial" / f"{len(self.made)}-{time.monotonic_ns()}.log"
        xml = definition(
            name, self.files, serial, obeys=obeys, graphics=graphics, network=network, shell=shell,
            clipboard=clipboard, agent=agent, cds=cds, identity=identity,
        )  # fmt: skip
        self.host.connect().defineXML(xml)
        made = LabGuest(self.host, name, serial)
        self.made.append(made)
        if start:
            made.start()
        return made

    def remove_all(self) -> None:
        for made in self.made:
            made.remove()
        self.made.clear()
