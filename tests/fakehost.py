"""A host that exists in this process: the few names of vms.virt that workers and watchers use, and no more."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection as database

from vms.errors import (
    AgentRefused,
    HostUnreachable,
    InvalidState,
    NameTaken,
    NeedsMore,
    NetworkStopped,
    NotFound,
    StreamShort,
    VirtError,
)
from vms.libvirtxml import (
    Disk,
    DomainXML,
    Given,
    How,
    NetworkXML,
    Target,
    VolumeXML,
    comes_back,
    disk_at,
    parse,
    snapshot_told,
    uncovered,
    without,
)
from vms.libvirtxml.shaping import Edit
from vms.virt import (
    DeviceInfo,
    DomainInfo,
    FilterInfo,
    GuestInfo,
    HostFacts,
    HostHardware,
    HostNumbers,
    HostSpec,
    Job,
    NetworkInfo,
    Numbers,
    PoolInfo,
    SecretInfo,
    SnapshotInfo,
    VolumeFacts,
)
from vms.virt.judging import NOTHING, apart, judge
from vms.virt.shaping import edited

DOCUMENT = (
    "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory>1024</memory><vcpu>2</vcpu>{rest}</domain>"
)
CARD = "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>"


def info(name: str = "web-01", state: str = "shut_off", identity: str = "", **fields: object) -> DomainInfo:
    """What a host says of a VM."""
    identity = identity or str(uuid.uuid4())
    runs = state not in ("shut_off", "saved", "crashed")
    text = DOCUMENT.format(
        name=name, uuid=identity, rest=f"<devices>{CARD}<graphics type='spice'/></devices>"
    )  # fmt: skip
    made = DomainInfo(identity, name, state, "", True, False, False, 1 if runs else None, text if runs else "", text)
    return replace(made, **fields)  # type: ignore[arg-type]


FACTS = HostFacts("", "host-a", "x86_64", "", 1, 2, 1, 2, 4 << 20, "9.0.0", "7.2.0", "qemu", (), (), ())
HARDWARE = HostHardware(
    "", "", "", "AMD", "EPYC", (), (), (), "", "", ("bios",), None, False, None, None, None, (), "+0:+0", False
)  # fmt: skip

# What is dumped of any of them.
MEMORY = b"\x7fELF" + b"memory" * 1000


@dataclass
class FakeHost:
    """Domains by UUID. calls is what was asked, in order; fail[verb] is raised by the verb, after[verb] runs after
    it took effect; hang[verb] blocks it until the connection is cut."""

    domains: dict[str, DomainInfo] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail: dict[str, VirtError] = field(default_factory=dict)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    hang: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    jobs: dict[str, Job] = field(default_factory=dict)
    copies: dict[str, set[str]] = field(default_factory=dict)
    mirrors: dict[str, str] = field(default_factory=dict)
    gone: bool = False
    opened: int = 0
    runs: int = 1
    missing: list[str] = field(default_factory=list)
    uuid: str = ""
    devices: tuple[DeviceInfo, ...] = ()
    pools: dict[str, PoolInfo] = field(default_factory=dict)
    secrets: dict[str, SecretInfo] = field(default_factory=dict)
    pool_types: tuple[str, ...] = ()
    networks: dict[str, NetworkInfo] = field(default_factory=dict)
    filters: dict[str, FilterInfo] = field(default_factory=dict)
    sources: list[dict[str, str]] = field(default_factory=list)
    # What is in its pools: bytes by pool's UUID and name; and what it tells of their sizes where they grew.
    volumes: dict[tuple[str, str], bytes] = field(default_factory=dict)
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    numbers: dict[str, Numbers] = field(default_factory=dict)
    own_numbers: HostNumbers | None = None
    # What some of them lie over, by name.
    backings: dict[str, str] = field(default_factory=dict)
    # What its guests' agents tell; whose keys are there, which clock is how wrong, and which guests are frozen.
    guests: dict[str, GuestInfo] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    ahead: int = 0
    frozen: set[str] = field(default_factory=set)
    # Domains whose host is at work on them, whoever asked for that.
    busy: set[str] = field(default_factory=set)
    # What their screens are drawn as.
    screens: dict[str, bytes] = field(default_factory=dict)
    # UUIDs of pools in whose folders others write.
    open_folders: set[str] = field(default_factory=set)

    def add(self, made: DomainInfo) -> DomainInfo:
        self.domains[made.uuid] = made
        return made

    def set_state(self, identity: str, state: str) -> None:
        before = self.domains[identity]
        made = info(before.name, state, identity, run_id=None if state in ("shut_off", "saved") else self.runs)
        runs, text = made.run_id is not None, before.next_boot_xml
        self.domains[identity] = replace(
            made,
            autostart=before.autostart,
            snapshots=before.snapshots,
            next_boot_xml=text,
            live_xml=text if runs else "",
        )

    def open(self, spec: HostSpec, **options: object) -> FakeConnection:
        if self.gone:
            raise HostUnreachable("nobody there")
        self.opened += 1
        return FakeConnection(self)

    @contextmanager
    def connect(self, spec: HostSpec, **options: object) -> Iterator[FakeConnection]:
        yield self.open(spec)


@dataclass(eq=False)
class FakeConnection:
    host: FakeHost
    broken: threading.Event = field(default_factory=threading.Event)

    def alive(self) -> bool:
        return not self.broken.is_set() and not self.host.gone

    def cut(self) -> None:
        self.broken.set()

    close = cut

    def answer(self) -> None:
        # A host may take long, and whoever writes would wait for it too.
        assert all(vars(block)["_from_testcase"] for block in database.atomic_blocks), (
            "a host is asked in a transaction"
        )
        if not self.alive():
            raise HostUnreachable("it broke")

    ping = answer

    def uuid(self) -> str:
        self.answer()
        return self.host.uuid

    def info(self) -> HostFacts:
        self.answer()
        return replace(FACTS, pools=tuple(self.host.pools.values()))

    def hardware(self) -> HostHardware:
        self.host.calls.append("hardware")
        return HARDWARE

    def devices(self) -> tuple[DeviceInfo, ...]:
        return self.host.devices

    def host_numbers(self, sizes: dict[int, tuple[int, ...]]) -> HostNumbers | None:
        return self.host.own_numbers

    def missing(self) -> list[str]:
        return list(self.host.missing)

    def make_ready(self) -> list[str]:
        done, self.host.missing = self.host.missing, []
        return done

    def leases(self) -> dict[str, tuple[str, ...]]:
        return {}

    def numbers(self) -> dict[str, Numbers]:
        self.answer()
        return dict(self.host.numbers)

    def states(self) -> dict[str, tuple[str, int | None]]:
        return {made.uuid: (made.state, made.run_id) for made in self.host.domains.values()}

    def starting_with_host(self) -> set[str]:
        return {made.uuid for made in self.host.domains.values() if made.autostart}

    def domains(self) -> list[DomainInfo]:
        self.answer()
        return list(self.host.domains.values())

    def define_domain(
        self, document: str, *, allowed: frozenset[str], given: Given = NOTHING, composed: bool = False
    ) -> FakeDomain:
        self.host.calls.append("define domain")
        if "define domain" in self.host.fail:
            raise self.host.fail["define domain"]
        judge(None, without(document, given), allowed)
        told = DomainXML.parse(document)
        made = info(told.name or "", identity=told.uuid or "", next_boot_xml=document)
        self.host.add(made)
        if "define domain" in self.host.after:
            self.host.after["define domain"]()
        return FakeDomain(self, made.uuid)

    def has_domain(self, name: str) -> bool:
        self.answer()
        return any(each.name == name for each in self.host.domains.values())

    def domain(self, identity: str) -> FakeDomain:
        self.answer()
        if identity not in self.host.domains:
            raise NotFound(identity)
        return FakeDomain(self, identity)

    def pools(self) -> tuple[PoolInfo, ...]:
        self.answer()
        return tuple(self.host.pools.values())

    def pool(self, identity: str) -> FakePool:
        self.answer()
        if identity not in self.host.pools:
            raise NotFound(identity)
        return FakePool(self, identity)

    def pool_types(self) -> tuple[str, ...]:
        return self.host.pool_types

    def define_pool(self, document: str) -> FakePool:
        root = parse(document)
        made = PoolInfo(
            str(uuid.uuid4()), root.findtext("name") or "", str(root.get("type")), "", False, False, 0, 0,
            document=document,
        )  # fmt: skip
        self.host.pools[made.uuid] = made
        pool = FakePool(self, made.uuid)
        pool.act("define")
        return pool

    def pool_sources(self, type: str, server: str, port: str, initiator: str) -> list[dict[str, str]]:
        self.host.calls.append(f"sources {type} {server}")
        return self.host.sources

    def secrets(self) -> tuple[SecretInfo, ...]:
        return tuple(self.host.secrets.values())

    def set_secret(self, usage: str, name: str, value: str) -> str:
        self.host.calls.append(f"secret {usage} {name} {value}")
        known = next((secret.uuid for secret in self.host.secrets.values() if secret.name == name), "")
        made = SecretInfo(known or str(uuid.uuid4()), usage, name, True)
        self.host.secrets[made.uuid] = made
        return made.uuid

    def delete_secret(self, identity: str) -> None:
        if identity not in self.host.secrets:
            raise NotFound(identity)
        del self.host.secrets[identity]

    def volumes(self, pool: str) -> list[VolumeFacts]:
        self.answer()
        return [FakeVolume(self, key).facts() for key in sorted(self.host.volumes) if key[0] == pool]

    def volume(self, pool: str, name: str) -> FakeVolume:
        self.answer()
        if (pool, name) not in self.host.volumes:
            raise NotFound(name)
        return FakeVolume(self, (pool, name))

    def create_volume(self, pool: str, document: str, *, name: str) -> FakeVolume:
        told = VolumeXML(document)
        self.host.calls.append(f"create {name} {told.format} {told.capacity}")
        if (pool, name) in self.host.volumes:
            raise NameTaken(name=name)
        if "create" in self.host.fail:
            raise self.host.fail["create"]
        self.host.volumes[pool, name] = bytes(told.capacity or 0)
        return FakeVolume(self, (pool, name))

    def networks(self) -> tuple[NetworkInfo, ...]:
        self.answer()
        return tuple(self.host.networks.values())

    def network(self, identity: str) -> FakeNetwork:
        self.answer()
        if identity not in self.host.networks:
            raise NotFound(identity)
        return FakeNetwork(self, identity)

    def define_network(self, document: str) -> FakeNetwork:
        name = NetworkXML.parse(document).name or ""
        made = NetworkInfo(str(uuid.uuid4()), name, False, False, document=document)
        self.host.networks[made.uuid] = made
        network = FakeNetwork(self, made.uuid)
        network.act("define")
        return network

    def filters(self) -> tuple[FilterInfo, ...]:
        return tuple(self.host.filters.values())

    def define_filter(self, document: str) -> str:
        root = parse(document)
        identity = root.findtext("uuid") or str(uuid.uuid4())
        self.host.filters[identity] = FilterInfo(identity, str(root.get("name")), document)
        return identity

    def delete_filter(self, identity: str) -> None:
        if identity not in self.host.filters:
            raise NotFound(identity)
        del self.host.filters[identity]

    def start_network(self, name: str) -> bool:
        self.host.calls.append(f"start-network {name}")
        return self.host.fail.pop("start", None) is not None


@dataclass
class FakePool:
    connection: FakeConnection
    uuid: str

    @property
    def host(self) -> FakeHost:
        return self.connection.host

    def info(self) -> PoolInfo:
        if self.uuid not in self.host.pools:
            raise NotFound(self.uuid)
        return self.host.pools[self.uuid]

    def act(self, verb: str, **fields: object) -> None:
        self.host.calls.append(verb)
        if verb in self.host.fail:
            raise self.host.fail[verb]
        if verb not in self.host.deaf:
            self.host.pools[self.uuid] = replace(self.info(), **fields)  # type: ignore[arg-type]

    def build(self, type: str, *, anew: bool = False) -> None:
        self.act(f"build anew {anew}")

    def start(self) -> None:
        self.act("start pool", active=True)

    def stop(self) -> None:
        self.act("stop pool", active=False)

    def is_closed(self) -> bool:
        return self.uuid not in self.host.open_folders

    def refresh(self) -> None:
        self.act("refresh pool")

    def start_with_host(self, enabled: bool) -> None:
        self.act(f"autostart {enabled}", autostart=enabled)

    def undefine(self) -> None:
        self.act("undefine")
        if "undefine" not in self.host.deaf:
            del self.host.pools[self.uuid]

    def delete_volume(self, name: str) -> None:
        self.act(f"delete {name}")
        del self.host.volumes[self.uuid, name]


@dataclass
class FakeVolume:
    connection: FakeConnection
    key: tuple[str, str]

    def facts(self) -> VolumeFacts:
        self.connection.answer()
        size = len(self.connection.host.volumes[self.key])
        capacity = self.connection.host.sizes.get(self.key, size)
        below = self.connection.host.backings.get(self.key[1], "")
        pool = self.connection.host.pools.get(self.key[0])
        folder = pool.path if pool else "/pool"
        return VolumeFacts(self.key[1], "file", f"{folder}/{self.key[1]}", "raw", capacity, size, size, below)

    def act(self, verb: str) -> None:
        self.connection.answer()
        self.connection.host.calls.append(f"{verb} {self.key[1]}")
        if verb in self.connection.host.fail:
            raise self.connection.host.fail[verb]

    def grow(self, capacity: int) -> None:
        self.act("grow")
        self.connection.host.sizes[self.key] = capacity

    def wipe(self) -> None:
        self.act("wipe")
        self.connection.host.volumes[self.key] = bytes(len(self.connection.host.volumes[self.key]))

    def delete(self) -> None:
        self.act("delete")
        del self.connection.host.volumes[self.key]

    def download(self, offset: int, length: int, *, sparse: bool = False) -> FakeWay:
        return FakeWay(self, length, offset)

    def blocks(self, offset: int, length: int) -> Iterator[bytes]:
        yield from iter(self.download(offset, length).read, b"")

    def upload(self, offset: int, length: int, *, sparse: bool = False) -> FakeWay:
        self.act("upload")
        return FakeWay(self, length, offset)


@dataclass
class FakeWay:
    """Bytes on their way, from there on; what is written behind the end makes it longer, as on a host."""

    volume: FakeVolume
    left: int
    at: int = 0

    def read(self, most: int = 1 << 20) -> bytes:
        host = self.volume.connection.host
        data = host.volumes[self.volume.key][self.at : self.at + min(most, self.left)]
        self.at += len(data)
        self.left -= len(data)
        return data

    def read_or_hole(self, most: int = 1 << 20) -> bytes | int:
        data = self.read(most)
        return data if any(data) else len(data)

    def skip(self, length: int) -> None:
        self.volume.connection.host.calls.append(f"skip {length}")
        self.at += length
        self.left -= length

    def send(self, data: bytes) -> None:
        host, key = self.volume.connection.host, self.volume.key
        before, after = host.volumes[key][: self.at], host.volumes[key][self.at + len(data) :]
        host.volumes[key] = before.ljust(self.at, b"\0") + data + after
        self.at += len(data)
        self.left -= len(data)
        if "send" in host.after:
            host.after["send"]()
        if "send" in host.fail:
            raise host.fail["send"]

    def finish(self, *, short: bool = False) -> None:
        if self.left and not short:
            raise StreamShort(left=self.left)
        if "finish" in self.volume.connection.host.fail:
            raise self.volume.connection.host.fail["finish"]

    def abort(self) -> None:
        return None


@dataclass
class FakeNetwork:
    connection: FakeConnection
    uuid: str

    @property
    def host(self) -> FakeHost:
        return self.connection.host

    def info(self) -> NetworkInfo:
        if self.uuid not in self.host.networks:
            raise NotFound(self.uuid)
        return self.host.networks[self.uuid]

    def act(self, verb: str, **fields: object) -> None:
        self.host.calls.append(verb)
        if verb in self.host.fail:
            raise self.host.fail[verb]
        if verb not in self.host.deaf:
            self.host.networks[self.uuid] = replace(self.info(), **fields)  # type: ignore[arg-type]

    def start(self) -> None:
        self.act("start network", active=True, live_document=self.info().document)

    def stop(self) -> None:
        self.act("stop network", active=False, live_document="")

    def start_with_host(self, enabled: bool) -> None:
        self.act(f"autostart {enabled}", autostart=enabled)

    def undefine(self) -> None:
        self.act("undefine")
        if "undefine" not in self.host.deaf:
            del self.host.networks[self.uuid]

    def modify(self, edit: Callable[[NetworkXML], object]) -> bool:
        """Without what libvirt can change while it runs."""
        document = NetworkXML.parse(self.info().document)
        edit(document)
        self.act("modify", document=document.text)
        return True


@dataclass
class FakeDomain:
    connection: FakeConnection
    uuid: str

    @property
    def host(self) -> FakeHost:
        return self.connection.host

    def info(self) -> DomainInfo:
        return self.host.domains[self.uuid]

    def state(self) -> tuple[str, int | None]:
        self.connection.answer()
        return self.info().state, self.info().run_id

    def agent(self) -> FakeAgent:
        return FakeAgent(self)

    def screenshot(self, most: int) -> bytes:
        self.act("screenshot", None)
        return self.host.screens[self.uuid]

    def next_boot(self) -> DomainXML:
        return DomainXML.parse(self.info().next_boot_xml)

    def networks(self) -> list[str]:
        return ["default"]

    def grow_disk(self, places: Collection[tuple[How, str]], size: int) -> bool:
        target = disk_at(self.next_boot(), places)
        if target:
            self.act(f"grow_disk {target}", None)
            key = next(key for key in self.host.volumes if ("path", f"/pool/{key[1]}") in places)
            self.host.sizes[key] = size
        return target is not None

    def live(self) -> tuple[DomainXML, int]:
        self.connection.answer()
        return DomainXML.parse(self.info().live_xml), self.info().run_id or 0

    def disk_size(self, target: str) -> int:
        disk = next(disk for disk in self.live()[0].disks if disk.target == target)
        key = next(key for key in self.host.volumes if disk.source.endswith(f"/{key[1]}"))
        return FakeVolume(self.connection, key).facts().capacity

    def begin_copies(self, targets: Mapping[str, Target]) -> None:
        self.act(f"copies {sorted(targets)}", None, ("running", "paused"))
        self.host.copies[self.uuid] = {target.path for target in targets.values()}

    def copying(self) -> set[str]:
        return self.host.copies.get(self.uuid, set()) if self.uuid in self.host.jobs else set()

    def require_copied(self) -> None:
        self.act("copied", None, ("running", "paused"))

    def begin_mirror(self, target: str, to: Target) -> None:
        self.act(f"mirror {target}", None, ("running", "paused"))
        self.host.mirrors[self.uuid] = to.path

    def mirror_job(self, target: str) -> Job | None:
        return Job(1, 1) if self.mirrors(target) else None

    def mirrors(self, target: str) -> str:
        self.connection.answer()
        return self.host.mirrors.get(self.uuid, "")

    def is_mirrored(self, target: str) -> bool:
        self.act(f"look {target}", None, ("running", "paused"))
        return bool(self.mirrors(target)) and self.host.calls.count(f"look {target}") > 2

    def end_mirror(self, target: str, *, go_over: bool) -> None:
        self.act(f"end {target} {go_over}", None, ("running", "paused"))
        path = self.host.mirrors.pop(self.uuid)
        if not go_over:
            return
        changed: dict[str, Any] = {}
        for name in ("live_xml", "next_boot_xml"):
            document = DomainXML.parse(getattr(self.info(), name))
            for disk in document.disks:
                if disk.target == target:
                    disk.element.set("type", "file")
                    for source in disk.element.findall("source"):
                        source.attrib.clear()
                        source.set("file", path)
            changed[name] = document.text
        self.host.domains[self.uuid] = replace(self.info(), **changed)

    def begin_flatten(self, target: str) -> None:
        self.act(f"flatten {target}", None, ("running", "paused"))

    def is_busy(self) -> bool:
        return self.uuid in self.host.busy

    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        self.connection.answer()
        return self.info().snapshots

    def current_snapshot(self) -> str:
        return next((one.name for one in self.info().snapshots if one.current), "")

    def keep(self, snapshots: Iterable[SnapshotInfo]) -> None:
        self.host.domains[self.uuid] = replace(
            self.info(), snapshots=tuple(sorted(snapshots, key=lambda one: one.name))
        )

    def take_snapshot(self, document: str, *, disks_only: bool, quiesce: bool) -> None:
        asked = snapshot_told(document)
        self.act(f"snapshot {asked.name}{' disks' if disks_only else ''}{' quiesced' if quiesce else ''}", None)
        runs, now = self.info().run_id is not None, self.info().next_boot_xml
        told = replace(
            asked, state="running" if runs else "shut_off", parent=self.current_snapshot(), taken_at=1795732119,
            live=self.info().live_xml if runs else "", next_boot=self.info().next_boot_xml,
            disks=snapshot_told(document.replace("</domainsnapshot>", f"{now}</domainsnapshot>")).disks,
        )  # fmt: skip
        before = [replace(one, current=False) for one in self.info().snapshots]
        self.keep([*before, SnapshotInfo(asked.name, (), told, True)])

    def revert(self, name: str, *, allowed: frozenset[str], given: Given = NOTHING) -> None:
        self.act(f"revert {name}", None)
        told = next(one.told for one in self.info().snapshots if one.name == name)
        assert told
        missing = uncovered(comes_back([self.info().next_boot_xml], told.live, told.next_boot, given), allowed)
        if missing:
            raise NeedsMore(privilege=missing[0].privilege, place=missing[0].place)
        self.host.runs += 1
        self.host.set_state(self.uuid, told.state)
        self.host.domains[self.uuid] = replace(self.info(), next_boot_xml=told.next_boot)
        self.keep(replace(one, current=one.name == name) for one in self.info().snapshots)

    def drop_snapshot(self, name: str) -> None:
        self.act(f"drop {name}", None)
        self.keep(one for one in self.info().snapshots if one.name != name)

    def describe_snapshot(self, name: str, *, to: str, description: str) -> None:
        self.act(f"describe {name} {to}", None)
        self.keep(
            replace(one, name=to, told=replace(one.told, name=to, description=description))
            if one.name == name and one.told
            else one
            for one in self.info().snapshots
        )

    def update_live(self, device: str, *, allowed: frozenset[str]) -> None:
        self.act(f"update {device}", None, ("running",))

    def eject_live(self, drive: Disk, *, allowed: frozenset[str]) -> None:
        self.act(f"eject {drive.target}", None, ("running",))
        before = DomainXML.parse(self.info().live_xml)
        there = before.cd(drive.target or "")
        assert there
        there.eject()
        judge(self.info().live_xml, before.text, allowed)
        self.host.domains[self.uuid] = replace(self.info(), live_xml=before.text)

    def reshape(self, edits: Sequence[Edit], *, allowed: frozenset[str], given: Given = NOTHING) -> None:
        self.modify(lambda document: edited(document, edits), allowed=allowed, given=given)

    def reshape_live(self, edits: Sequence[Edit], *, allowed: frozenset[str], given: Given = NOTHING) -> None:
        self.act("reshape", None, ("running", "paused"))
        before = self.info().live_xml
        document = DomainXML.parse(before)
        edited(document, edits)
        judge(apart(before, given), apart(document.text, given), allowed)
        self.host.domains[self.uuid] = replace(self.info(), live_xml=document.text)

    def modify(self, edit: Callable[[DomainXML], object], *, allowed: frozenset[str], given: Given = NOTHING) -> bool:
        self.act("modify", None)
        before = self.info().next_boot_xml
        document = DomainXML.parse(before)
        edit(document)
        judge(apart(before, given), apart(document.text, given), allowed)
        if "modify" not in self.host.deaf:
            self.host.domains[self.uuid] = replace(self.info(), next_boot_xml=document.text)
        return True

    def act(self, verb: str, state: str | None, allowed: tuple[str, ...] = ()) -> None:
        self.host.calls.append(verb)
        if verb in self.host.hang:
            self.connection.broken.wait(20)
            raise HostUnreachable("it was cut")
        if verb in self.host.fail:
            raise self.host.fail[verb]
        if allowed and self.info().state not in allowed:
            raise InvalidState(self.info().state)
        if state and verb not in self.host.deaf:
            self.host.set_state(self.uuid, state)
        if verb in self.host.after:
            self.host.after[verb]()

    def start(self, *, paused: bool = False) -> None:
        if paused:
            return self.start_paused()
        self.host.runs += 1
        self.act("start", "running", ("shut_off", "saved", "crashed"))

    def start_paused(self) -> None:
        self.host.runs += 1
        self.act("start paused", "paused", ("shut_off", "saved", "crashed"))

    def save(self) -> None:
        self.act("save", "saved", ("running", "paused"))

    def discard_saved(self) -> None:
        self.act("discard", "shut_off", ("saved",))

    def dump(self, path: str) -> None:
        self.act(f"dump {path}", None, ("running", "paused", "crashed"))
        name = path.rsplit("/", 1)[-1]
        key = next(key for key in self.host.volumes if key[1] == name)
        self.host.volumes[key] = MEMORY

    def job(self) -> Job | None:
        self.connection.answer()
        return self.host.jobs.get(self.uuid)

    def abort_job(self) -> None:
        self.host.jobs.pop(self.uuid)
        self.act("abort", None)

    def inject_nmi(self) -> None:
        self.act("nmi", None, ("running",))

    def send_keys(self, numbers: list[int]) -> None:
        self.act(f"keys {numbers}", None, ("running",))

    def rename(self, name: str) -> None:
        self.act(f"rename {name}", None, ("shut_off", "crashed"))
        self.host.domains[self.uuid] = replace(self.info(), name=name)

    def forget(self, *, keep_nvram: bool = False) -> None:
        self.act(f"forget {'all but its NVRAM' if keep_nvram else 'all'}", None, ("shut_off", "saved", "crashed"))
        if "forget" not in self.host.deaf:
            del self.host.domains[self.uuid]

    def starts_with_host(self) -> bool:
        return self.info().autostart

    def start_with_host(self, enabled: bool) -> None:
        self.act(f"autostart {enabled}", None)
        if "autostart" not in self.host.deaf:
            self.host.domains[self.uuid] = replace(self.info(), autostart=enabled)

    def shutdown(self) -> None:
        self.act("shutdown", None, ("running",))

    def reboot(self) -> None:
        self.act("reboot", None, ("running",))

    def reset(self) -> None:
        self.act("reset", None)

    def force_off(self) -> None:
        self.act("force_off", "shut_off", ("running", "paused"))

    def pause(self) -> None:
        self.act("pause", "paused", ("running",))

    def resume(self) -> None:
        self.act("resume", "running", ("paused",))


@dataclass
class FakeAgent:
    """fail["agent"] is raised by whatever is asked."""

    domain: FakeDomain

    def act(self, verb: str) -> FakeHost:
        host = self.domain.host
        self.domain.connection.answer()
        self.domain.act(f"agent {verb}", None)
        if "agent" in host.fail:
            raise host.fail["agent"]
        return host

    def info(self) -> GuestInfo:
        return self.act("info").guests.get(self.domain.uuid, GuestInfo())

    def clock(self) -> int | None:
        return self.act("clock").ahead

    def set_clock(self) -> None:
        self.act("set clock").ahead = 0

    def freeze(self) -> int:
        self.act("freeze").frozen.add(self.domain.uuid)
        return 2

    def thaw(self) -> int:
        host = self.act("thaw")
        number = 2 if self.domain.uuid in host.frozen else 0
        host.frozen.discard(self.domain.uuid)
        return number

    def set_password(self, user: str, password: str) -> None:
        self.act(f"password {user} {password}")

    def keys(self, user: str) -> list[str]:
        host = self.act(f"keys {user}")
        if user not in host.keys:
            raise AgentRefused("no such file")
        return list(host.keys[user])

    def add_keys(self, user: str, lines: Sequence[str]) -> None:
        self.act(f"add {user}").keys.setdefault(user, []).extend(lines)

    def remove_keys(self, user: str, lines: Sequence[str]) -> None:
        keys = self.act(f"remove {user}").keys
        keys[user] = [line for line in keys[user] if line not in lines]


STOPPED = NetworkStopped("network 'default' is not active", network="default")
