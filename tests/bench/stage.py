"""What several measurements share, made when the first of them asks for it and taken down at the end."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property

import libvirt
from lxml import etree
from lxml.builder import E
from playwright.sync_api import Browser, sync_playwright

from kvmweb import environment
from tests.lab.fleet import Fleet
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from vms.demo import guest

MANY = 1300
# Of the fleet, each with a hundred VMs.
HOSTS = 100
FEW_HOSTS = 10


def definition(number: int) -> str:
    """A VM such as virt-install makes; libvirt adds what it always adds."""
    disk = f"/var/lib/libvirt/images/bench-{number:04}.qcow2"
    return etree.tostring(
        E.domain(
            E.name(f"bench-{number:04}"),
            E.title(f"Number {number} of many"),
            E.memory("2", unit="GiB"),
            E.vcpu("2"),
            E.os(E.type("hvm", arch="x86_64", machine="q35"), E.boot(dev="hd")),
            E.features(E.acpi(), E.apic()),
            E.clock(E.timer(name="rtc", tickpolicy="catchup"), offset="utc"),
            E.devices(
                E.disk(
                    E.driver(name="qemu", type="qcow2"), E.source(file=disk), E.target(dev="vda", bus="virtio"),
                    type="file", device="disk",
                ),
                E.interface(E.source(network="default"), E.model(type="virtio"), type="network"),
                E.serial(type="pty"),
                E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
                E.input(type="tablet", bus="usb"),
                E.graphics(E.listen(type="none"), type="vnc"),
                E.video(E.model(type="virtio")),
                E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
            ),
            type="qemu",
        ),
        encoding="unicode",
    )  # fmt: skip


class Stage:
    """Hosts, dashboards, guests and Chromium; close() ends them all."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.close = self.stack.close

    def host(self, name: str, *, doors: bool = False) -> LabHost:
        host = LabHost(name, doors=doors)
        self.stack.callback(host.stop)
        return host

    def dashboard(self, host: LabHost, *, started: bool = True) -> Dashboard:
        """Prepared, and ready where started."""
        dashboard = Dashboard(host)
        self.stack.callback(dashboard.remove)
        dashboard.prepare()
        if started:
            dashboard.start()
        return dashboard

    @cached_property
    def full_host(self) -> LabHost:
        """A host with 1,300 VMs, all shut off."""
        host = self.host("full")
        connection = host.connect()
        for number in range(MANY):
            connection.defineXML(definition(number))
        connection.close()
        return host

    @cached_property
    def full_dashboard(self) -> Dashboard:
        """It shows the host with 1,300 VMs."""
        dashboard = self.dashboard(self.full_host)
        eventually(lambda: dashboard.get("/vms")["count"] == MANY, "all of them are shown", within=120)
        return dashboard

    @cached_property
    def small_host(self) -> LabHost:
        return self.host("small")

    @cached_property
    def host_with_doors(self) -> LabHost:
        """It is reached by a network of its own."""
        return self.host("far", doors=True)

    @cached_property
    def small_dashboard(self) -> Dashboard:
        return self.dashboard(self.small_host)

    @cached_property
    def fleet(self) -> Fleet:
        fleet = Fleet(HOSTS)
        self.stack.callback(fleet.stop)
        return fleet

    @cached_property
    def fleet_dashboard(self) -> Dashboard:
        """It shows all hosts of the fleet."""
        return self.dashboard_of(range(HOSTS))

    @cached_property
    def few_dashboard(self) -> Dashboard:
        """It shows the first few of them."""
        return self.dashboard_of(range(FEW_HOSTS))

    def dashboard_of(self, hosts: range) -> Dashboard:
        dashboard = self.dashboard(self.small_host, started=False)
        self.fleet.add_to(dashboard, hosts)
        dashboard.start()
        number = len(self.fleet.expected(hosts))
        eventually(lambda: dashboard.get("/vms?page_size=1")["count"] == number, "all are shown", within=300, every=0.5)
        return dashboard

    def add_host(self, dashboard: Dashboard, host: LabHost) -> int:
        """One more; its id."""
        wish = {"name": host.name, "transport": "unix", "socket": str(host.socket)}
        return int(dashboard.post("/hosts", wish).body["id"])

    @cached_property
    def guests(self) -> Guests:
        guests = Guests(self.small_host, guest.guest(environment.load().cache))
        self.stack.callback(guests.remove_all)
        return guests

    @cached_property
    def chromium(self) -> Browser:
        playwright = self.stack.enter_context(sync_playwright())
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        self.stack.callback(chromium.close)
        return chromium


def raw(host: LabHost) -> libvirt.virConnect:
    """libvirt without anything of ours."""
    return libvirt.open(host.uri)
