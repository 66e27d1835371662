"""A snapshot's document: what a host keeps of a moment, and what it is asked to keep.

Names and descriptions are people's: they are nodes of text, never parts of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.belongings import each_once
from vms.libvirtxml.difference import Given, Need, difference, filled, without
from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find, put
from vms.libvirtxml.sources import Source, source

# What libvirt calls the states, as the dashboard calls them; what is not here is "unknown".
STATES: Final = {
    "running": "running", "blocked": "running", "paused": "paused", "shutdown": "shutting_down", "shutoff": "shut_off",
    "crashed": "crashed", "pmsuspended": "pmsuspended", "disk-snapshot": "disks",
}  # fmt: skip
# Where libvirt puts a run of which nothing else is said.
OWN_GROUP: Final = "/machine"
SOFT: Final = ("host-model", "host-passthrough", "maximum")


@dataclass(frozen=True)
class SnapshotDisk:
    """A disk of a snapshot. how: "internal", "external", or "no" where its state was not kept. source: what it was on;
    layer: what was put over that, () for nothing; both as vms.libvirtxml.sources writes them."""

    target: str
    how: str
    source: tuple[str, ...] = ()
    layer: tuple[str, ...] = ()


@dataclass(frozen=True)
class SnapshotTold:
    """What a snapshot's document says. memory: where that of the run is kept: "internal", "external" or "no". state:
    the domain's then, "disks" where it ran and only its disks were kept. taken_at: seconds since 1970 by the host's
    clock, None for none. live: the definition of the run, "" where it did not run; next_boot: that of the next start;
    both "" where it keeps none."""

    name: str
    description: str = ""
    state: str = "unknown"
    parent: str = ""
    taken_at: int | None = None
    memory: str = "no"
    disks: tuple[SnapshotDisk, ...] = ()
    live: str = ""
    next_boot: str = ""

    @property
    def kind(self) -> str:
        """ "internal", "external", "mixed", or "" where it is of no disk and no memory."""
        found = {disk.how for disk in self.disks} | {self.memory}
        kinds = found & {"internal", "external"}
        return "mixed" if len(kinds) > 1 else next(iter(kinds), "")


def snapshot_told(text: str) -> SnapshotTold:
    """Raises BadXML."""
    root = parse(text)
    if root.tag != "domainsnapshot":
        raise BadXML("this is no snapshot")
    run, start = definition(root, "domain"), definition(root, "inactiveDomain")
    state = STATES.get((find(root, "state") or "").strip(), "unknown")
    off = state in ("shut_off", "crashed")
    told = (find(root, "creationTime") or "").strip()
    domain, then = (run if run is not None else start), (start if start is not None else run)
    return SnapshotTold(
        name=find(root, "name") or "",
        description=find(root, "description") or "",
        state=state,
        parent=find(root, "parent/name") or "",
        taken_at=int(told) if told.isascii() and told.isdigit() and len(told) < 13 else None,
        memory=find(root, "memory/@snapshot") or "no",
        disks=tuple(disks_of(root, domain)) if domain is not None else (),
        live="" if off or run is None else run.text,
        next_boot="" if then is None else then.text,
    )


def definition(root: etree._Element, name: str) -> DomainXML | None:
    """One of the definitions in it, as a document of its own."""
    found = root.find(name)
    if found is None:
        return None
    own = deepcopy(found)
    own.tag, own.tail = "domain", None
    return DomainXML(own)


def disks_of(root: etree._Element, domain: DomainXML) -> Iterable[SnapshotDisk]:
    """The disks of the definition, each with what its snapshot says of it."""
    said = {disk.get("name") or "": disk for disk in root.iterfind("disks/disk")}
    for disk in domain.devices.iterfind("disk"):
        target = find(disk, "target/@dev") or ""
        own = said.get(target)
        how = (own.get("snapshot") if own is not None else None) or "no"
        over = source(own, find(own, "driver/@type") or "") if own is not None and how == "external" else []
        yield SnapshotDisk(target, how, tuple(source(disk, find(disk, "driver/@type") or "")), tuple(over))


def snapshot_sources(text: str) -> list[Source]:
    """What a snapshot's document names as its own: what its disks were on and what was put over that, and the file of
    its memory. Raises BadXML."""
    root = parse(text)
    found: list[Source] = []
    for name in ("domain", "inactiveDomain"):
        domain = definition(root, name)
        for disk in domain.devices.iterfind("disk") if domain is not None else ():
            if disk.get("device", "disk") in ("disk", "lun"):
                found.append(source(disk, find(disk, "driver/@type") or ""))
    for disk in root.iterfind("disks/disk"):
        if disk.get("snapshot") == "external":
            found.append(source(disk, find(disk, "driver/@type") or ""))
    memory = find(root, "memory/@file")
    return each_once([*found, *([["path", memory, ""]] if memory else [])])


def snapshot_document(
    name: str, description: str, disks: Mapping[str, str], layers: Mapping[str, str], *, memory: bool
) -> str:
    """What libvirt is asked to keep. disks: how, for each disk of the domain; layers: the paths of the files that those
    which are "external" are to write to from then on. memory: with that of the run, inside the disks."""
    own = []
    for target, how in disks.items():
        disk = E.disk(name=target, snapshot=how)
        if how == "external":
            disk.append(E.driver(type="qcow2"))
            disk.append(E.source(file=layers[target]))
            disk.set("type", "file")
        own.append(disk)
    return serialize(
        E.domainsnapshot(
            E.name(name),
            *([E.description(description)] if description else []),
            E.memory(snapshot="internal" if memory else "no"),
            E.disks(*own),
        )
    )


def snapshot_otherwise(
    text: str, *, name: str | None = None, description: str | None = None, parent: str | None = None
) -> str:
    """The same snapshot called so, described so, or come from another; nothing else of it is touched. BadXML as
    parse()."""
    root = parse(text)
    if name is not None:
        put(root, "name", name)
    if description is not None:
        old = root.find("description")
        if description:
            put(root, "description", description)
        elif old is not None:
            root.remove(old)
    if parent is not None:
        put(root, "parent/name", parent)
    return serialize(root)


def snapshot_definitions(text: str) -> tuple[str, str]:
    """(that of the run, that of the next start) which come back with it, "" for none. Raises BadXML."""
    told = snapshot_told(text)
    return told.live, told.next_boot


def comes_back(now: Sequence[str], run: str, start: str, given: Given) -> tuple[Need, ...]:
    """What a snapshot brings that none of the definitions has which are there now, the one of the next start first,
    with the privilege for each. run and start: the snapshot's, run is "" for none. given: the VM's own volumes, which
    it may have at another place of its chain. Raises BadXML."""
    there: list[str | None] = [own_apart(text, given) for text in now]
    there = there or [None]
    found: dict[Need, None] = {}
    wanted = [(difference, start)] + ([(filled, as_asked(run, start))] if run else [])
    for compare, text in wanted:
        then = own_apart(text, given)
        first, *others = (compare(text, then) for text in there)
        known = [{(need.privilege, need.place) for need in other} for other in others]
        found |= {need: None for need in first if all((need.privilege, need.place) in other for other in known)}
    return tuple(sorted(found))


def own_apart(text: str, given: Given) -> str:
    """The document but for the VM's own volumes, and for what lies under one as far as that is its own too."""
    root = parse(text)
    for disk in root.iterfind("devices/disk"):
        below = [source(layer, "") for layer in disk.iter("backingStore") if len(layer)]
        if all(len(one) > 1 and one[0] == "path" and one[1] in given.files for one in below):
            for layer in disk.findall("backingStore"):
                disk.remove(layer)
    return without(serialize(root), given)


def as_asked(run: str, start: str) -> str:
    """The definition of a run, without what is libvirt's own word in it: which features a processor has that the one of
    the start leaves to the host, and the control group that every run is in. Raises BadXML."""
    live, then = parse(run), parse(start)
    there, asked = live.find("cpu"), then.find("cpu")
    if there is not None and asked is not None and asked.get("mode") in SOFT:
        live.replace(there, deepcopy(asked))
    group = live.find("resource")
    if group is not None and then.find("resource") is None and alone(group) == [("partition", OWN_GROUP)]:
        live.remove(group)
    return serialize(live)


def alone(element: etree._Element) -> list[tuple[str, str]]:
    """Its children, as (name, text)."""
    return [(str(child.tag), (child.text or "").strip()) for child in element]


@dataclass(frozen=True)
class GroundDisk:
    """A disk of a definition. device: "disk", "lun", "cdrom" or "floppy". format: the driver's, "" where none is said.
    source as vms.libvirtxml.sources writes it, () for an empty drive; below: what lies under it as far as the document
    tells, the nearest first."""

    target: str
    device: str
    format: str
    source: tuple[str, ...]
    writable: bool = True
    shareable: bool = False
    below: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Ground:
    """What of a definition decides which snapshots there can be. nvram: the format of its firmware's variables, "" for
    a firmware without. passthrough: its devices of the host that no memory can be kept with; shares: likewise its
    shared folders."""

    disks: tuple[GroundDisk, ...] = ()
    nvram: str = ""
    passthrough: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    tpm: bool = False


def ground(domain: DomainXML) -> Ground:
    """Of a definition, as it runs or as it starts next."""
    element, devices = domain.element, domain.devices
    uefi = find(element, "os/loader/@type") == "pflash" or find(element, "os/@firmware") == "efi"
    passed = [device for device in devices.iterfind("hostdev") if device.get("type") != "usb"]
    cards = devices.findall("interface[@type='hostdev']")
    return Ground(
        disks=tuple(ground_disk(disk) for disk in devices.iterfind("disk")),
        nvram=(find(element, "os/nvram/@format") or find(element, "os/loader/@format") or "raw") if uefi else "",
        passthrough=tuple(find(one, "alias/@name") or one.get("type") or "hostdev" for one in [*passed, *cards]),
        shares=tuple(find(one, "target/@dir") or "" for one in devices.iterfind("filesystem")),
        tpm=devices.find("tpm") is not None,
    )


def ground_disk(disk: etree._Element) -> GroundDisk:
    device, format = disk.get("device", "disk"), find(disk, "driver/@type") or ""
    below = (source(layer, find(layer, "format/@type") or "") for layer in disk.iter("backingStore"))
    return GroundDisk(
        target=find(disk, "target/@dev") or "",
        device=device,
        format=format,
        source=tuple(source(disk, format)),
        writable=device in ("disk", "lun") and disk.find("readonly") is None,
        shareable=disk.find("shareable") is not None,
        below=tuple(tuple(one) for one in below if one),
    )
