"""An open connection to one host."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from vms.errors import HostUnreachable, NotFound, WrongHost
from vms.libvirtxml import Given
from vms.virt import (
    devices,
    facts,
    hardware,
    judging,
    listing,
    networks,
    numbers,
    nwfilters,
    pools,
    ready,
    secrets,
    volumes,
)
from vms.virt.domain import Domain
from vms.virt.failures import said_by_host
from vms.virt.machine import DeviceInfo, HostHardware, HostNumbers
from vms.virt.networks import Network
from vms.virt.numbers import Numbers
from vms.virt.opening import open_direct, open_wired
from vms.virt.pools import Pool
from vms.virt.spec import HostSpec
from vms.virt.values import DomainInfo, FilterInfo, HostFacts, NetworkInfo, PoolInfo, SecretInfo, VolumeFacts
from vms.virt.volumes import Volume
from vms.virt.wire import Wire

# A daemon that is silent for 8 s ends the connection: 2 s without a word, then three questions.
KEEPALIVE: Final = (2, 3)
# Until libvirt's first word; ssh starts a program on the other machine first.
OPEN_SECONDS: Final = {"local": 6.0, "unix": 6.0, "tcp": 6.0, "tls": 6.0, "ssh": 15.0}


class Connection:
    """A host's connection; any thread may use it. Every method raises VirtError leaves."""

    def __init__(self, handle: Any, wire: Wire | None, *, patient: bool = False) -> None:
        self.handle = handle
        self.wire = wire
        self.broken = threading.Event()
        # What is cut after it.
        self.then: Connection | None = None
        self.lock = threading.Lock()
        self.calls = 0
        self.closed = threading.Event()
        with contextlib.suppress(libvirt.libvirtError):
            handle.registerCloseCallback(lambda conn, reason, opaque: self.broken.set(), None)
        with contextlib.suppress(libvirt.libvirtError):
            handle.setKeepAlive(*((-1, 0) if patient else KEEPALIVE))

    def alive(self) -> bool:
        """Whether it still stands, without asking the host."""
        try:
            return not self.broken.is_set() and bool(self.handle.isAlive())
        except libvirt.libvirtError:
            return False

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around each call. libvirt frees a connection that one thread closes under the call of another."""
        with self.lock:
            if self.closed.is_set():
                raise HostUnreachable("the connection was closed")
            self.calls += 1
        try:
            with said_by_host(self.alive):
                yield
        finally:
            with self.lock:
                self.calls -= 1
                is_last = self.closed.is_set() and not self.calls
            if is_last:
                self.free()

    def cut(self) -> None:
        """End it from any thread: every blocked call comes back at once with HostUnreachable."""
        self.broken.set()
        if self.wire:
            self.wire.cut()
        if self.then:
            self.then.cut()

    @contextmanager
    def breaking_after(self, other: Connection) -> Iterator[None]:
        """Meanwhile the other one is cut before anybody here is told that this one broke, and this one after the other.
        libvirt's client, told so while it moves a domain here, would let that run on where the other one leads
        (docs/decisions/0134)."""
        other.then = self
        if self.wire:
            self.wire.first_cut = other.cut
        try:
            yield
        finally:
            other.then = None
            if self.wire:
                self.wire.first_cut = None

    def close(self) -> None:
        """Let it go; where a thread is in a call, that one does when the call is back, which cutting the wire brings
        about at once."""
        with self.lock:
            is_free = not self.calls and not self.closed.is_set()
            self.closed.set()
        if is_free:
            self.free()
        elif self.wire:
            self.wire.cut()

    def free(self) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            self.handle.unregisterCloseCallback()
        with contextlib.suppress(libvirt.libvirtError):
            self.handle.close()
        if self.wire:
            self.wire.cut()

    def ping(self) -> None:
        """Return when the host has answered."""
        with self.guard():
            self.handle.getLibVersion()

    def uuid(self) -> str:
        """The machine's UUID, "" where the driver has none."""
        with self.guard():
            return facts.uuid(self.handle)

    def info(self) -> HostFacts:
        """What the host says of itself, read now."""
        with self.guard():
            return facts.read(self.handle)

    def hardware(self) -> HostHardware:
        """What the host is made of, read now; many questions, so not often."""
        with self.guard():
            return hardware.read(self.handle)

    def devices(self) -> tuple[DeviceInfo, ...]:
        """Its devices; a question for each of them."""
        with self.guard():
            return devices.read(self.handle)

    def host_numbers(self, sizes: dict[int, tuple[int, ...]]) -> HostNumbers | None:
        """The host's own counters, None where its driver has none. sizes: of each cell the huge pages that it keeps."""
        with self.guard():
            return hardware.numbers(self.handle, sizes)

    def networks(self) -> tuple[NetworkInfo, ...]:
        with self.guard():
            return networks.known(self.handle)

    def network(self, uuid: str) -> Network:
        """The network; NotFound where the host does not know it."""
        with self.guard():
            return Network(self.handle.networkLookupByUUIDString(uuid), self.guard)

    def define_network(self, document: str) -> Network:
        """A network that the host keeps, stopped; the host refuses a name that is taken."""
        with self.guard():
            return Network(self.handle.networkDefineXML(document), self.guard)

    def filters(self) -> tuple[FilterInfo, ...]:
        """The host's network filters."""
        with self.guard():
            return nwfilters.known(self.handle)

    def define_filter(self, document: str) -> str:
        """Keep the filter, in the place of the one of its UUID; its UUID. It applies to running VMs at once."""
        with self.guard():
            return str(self.handle.nwfilterDefineXML(document).UUIDString())

    def delete_filter(self, uuid: str) -> None:
        """Let the host forget it; the host refuses one that a running VM has, NotFound where it does not know it."""
        with self.guard():
            self.handle.nwfilterLookupByUUIDString(uuid).undefine()

    def pools(self) -> tuple[PoolInfo, ...]:
        with self.guard():
            return pools.known(self.handle)

    def pool(self, uuid: str) -> Pool:
        """The storage pool; NotFound where the host does not know it."""
        with self.guard():
            return Pool(self.handle.storagePoolLookupByUUIDString(uuid), self.guard)

    def volumes(self, pool: str) -> list[VolumeFacts]:
        """What the active pool of that UUID lists; what it cannot describe is left out."""
        with self.guard():
            return volumes.known(self.handle.storagePoolLookupByUUIDString(pool))

    def volume(self, pool: str, name: str) -> Volume:
        """The volume; NotFound where the host does not know the pool of that UUID, or none of that name in it."""
        with self.guard():
            there = self.handle.storagePoolLookupByUUIDString(pool)
            return Volume(self, there, there.storageVolLookupByName(name))

    def create_volume(self, pool: str, document: str, *, name: str) -> Volume:
        """A new volume; NameTaken where something of that name is there, also what the host does not list yet."""
        with self.guard():
            there = self.handle.storagePoolLookupByUUIDString(pool)
            return Volume(self, there, volumes.create(there, document, name))

    def pool_types(self) -> tuple[str, ...]:
        """The types of pool for which the host has what it needs; () where it cannot tell."""
        with self.guard():
            return pools.types(self.handle)

    def define_pool(self, document: str) -> Pool:
        """A pool that the host keeps, stopped; the host refuses a name that is taken."""
        with self.guard():
            return Pool(self.handle.storagePoolDefineXML(document, 0), self.guard)

    def pool_sources(self, type: str, server: str, port: str, initiator: str) -> list[dict[str, str]]:
        """What a pool of that type could be made of, as the host or, asked by it, that server tells."""
        with self.guard():
            return pools.sources(self.handle, type, server, port, initiator)

    def secrets(self) -> tuple[SecretInfo, ...]:
        """The host's secrets, never what they are."""
        with self.guard():
            return secrets.known(self.handle)

    def set_secret(self, usage: str, name: str, value: str) -> str:
        """Keep a value that only libvirt reads, in the place of a former one for the same; its UUID."""
        with self.guard():
            return secrets.keep(self.handle, usage, name, value)

    def delete_secret(self, uuid: str) -> None:
        """Let the host forget the secret; NotFound where it does not know it."""
        with self.guard():
            self.handle.secretLookupByUUIDString(uuid).undefine()

    def define_domain(
        self, document: str, *, allowed: frozenset[str], given: Given = judging.NOTHING, composed: bool = False
    ) -> Domain:
        """The new domain, kept. given: what of the host it may use besides what the privileges cover. composed: nothing
        in it was written elsewhere, and the host spares its schema. NeedsMore where the document needs a privilege that
        is not among them, BadDocument where the host's schema or driver refuses it, InvalidState where its name or UUID
        is another's."""
        with self.guard():
            made = judging.define(self.handle, None, document, allowed, given, composed=composed)
        return Domain(made, self.guard)

    def domain(self, uuid: str) -> Domain:
        """The domain; NotFound where the host does not know it."""
        with self.guard():
            return Domain(self.handle.lookupByUUIDString(uuid), self.guard)

    def has_domain(self, name: str) -> bool:
        """Whether it has one of that name."""
        try:
            with self.guard():
                self.handle.lookupByName(name)
        except NotFound:
            return False
        return True

    def domains(self) -> list[DomainInfo]:
        """All domains with their documents; one that vanishes meanwhile is left out."""
        with self.guard():
            return listing.domains(self.handle)

    def states(self) -> dict[str, tuple[str, int | None]]:
        """{uuid: (state, run id)} of all domains by six lists; "unknown" for states that have no list of their own."""
        with self.guard():
            return listing.states(self.handle)

    def starting_with_host(self) -> set[str]:
        """The UUIDs of the domains that the host starts when it starts itself; no event tells of a change."""
        with self.guard():
            return listing.having(self.handle, "AUTOSTART")

    def numbers(self) -> dict[str, Numbers]:
        """The counters of the running domains by UUID, in one call that waits for no stuck QEMU where there is one."""
        with self.guard():
            return numbers.numbers(self.handle)

    def leases(self) -> dict[str, tuple[str, ...]]:
        """{MAC: the addresses that DHCP of the host's networks has given}; no network driver, no leases."""
        given: dict[str, list[str]] = {}
        with self.guard():
            for lease in (each for each in networks.given(self.handle) if each.mac):
                given.setdefault(lease.mac, []).append(lease.address)
        return {mac: tuple(sorted(set(addresses))) for mac, addresses in given.items()}

    def start_network(self, name: str) -> bool:
        """Start a network; whether it was stopped."""
        with self.guard():
            return ready.start_network(self.handle.networkLookupByName(name))

    def make_ready(self) -> list[str]:
        """Start network default and make pool default, both on autostart, only what is missing; what was done, in
        words such as "network_started"."""
        with self.guard():
            return ready.make_ready(self.handle)

    def missing(self) -> list[str]:
        """What make_ready() would do now."""
        with self.guard():
            return ready.missing(self.handle)


def open_connection(
    spec: HostSpec, *, direct: bool = False, timeout: float | None = None, patient: bool = False
) -> Connection:
    """An open connection, to be closed by the caller; see connect()."""
    seconds = OPEN_SECONDS[spec.transport] if timeout is None else timeout
    handle, wire = (open_direct(spec, seconds), None) if direct else open_wired(spec, seconds)
    connection = Connection(handle, wire, patient=patient)
    try:
        found = connection.uuid() if spec.uuid else ""
        if found and found != spec.uuid:
            raise WrongHost(expected=spec.uuid, found=found)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def connect(
    spec: HostSpec, *, direct: bool = False, timeout: float | None = None, patient: bool = False
) -> Iterator[Connection]:
    """An open connection, closed at the end. direct: without the wire that cut() cuts, for passing descriptors.
    patient: however long the host says nothing, the connection stands until it is cut.

    Raises HostUnreachable, TimedOut, AuthRefused, or WrongHost where another machine answers than the spec's UUID.
    """
    connection = open_connection(spec, direct=direct, timeout=timeout, patient=patient)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def cut_after(connection: Connection, seconds: float) -> Iterator[threading.Event]:
    """Cut the wire where the body has not ended by then, and set what is given."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        connection.cut()

    timer = threading.Timer(seconds, give_up)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
