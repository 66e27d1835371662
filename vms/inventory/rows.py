"""What of a domain is stored: columns for lists, the masked documents, and what pages show at a glance.

What a host says is input: texts are cut to what the columns hold, numbers to what they may be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from vms.libvirtxml import BadXML, DomainXML, SnapshotTold, glance, masked, pending, settings, sources
from vms.virt import DomainInfo

LONGEST_NAME: Final = 255
LONGEST_DESCRIPTION: Final = 4000
MOST_ADDRESSES: Final = 32
MOST_SERIALS: Final = 16
LONGEST_DEVICE: Final = 40
LARGEST: Final = 2**31 - 1
MOST_PENDING: Final = 100
MOST_SNAPSHOTS: Final = 500


@dataclass(frozen=True)
class Documents:
    """What its documents say of a domain; source is the hash of their unmasked texts. agent: whether its guest's agent
    can be asked in this run. snapshots: the columns of each."""

    source: str
    columns: dict[str, Any]
    document: dict[str, Any]
    macs: tuple[str, ...]
    agent: bool = False
    snapshots: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Row:
    """One domain as it is to be stored."""

    uuid: str
    placement: dict[str, Any]
    documents: Documents

    @property
    def document(self) -> dict[str, Any]:
        return self.documents.document

    @property
    def macs(self) -> tuple[str, ...]:
        return self.documents.macs


def row(info: DomainInfo, leases: Mapping[str, tuple[str, ...]], before: Row | None = None) -> Row:
    """The row for what the host said; a document that is the same as before is not read again, which is most of the
    work where a host with a thousand VMs is read once more.
    """
    told = (info.live_xml, info.next_boot_xml, info.open_screens, info.snapshots, info.checkpoints)
    source = digest("\0".join(str(text) for text in told))
    documents = before.documents if before and before.documents.source == source else read(info, source)
    shown = documents.columns
    macs = documents.macs if info.run_id is not None else ()
    addresses = sorted({address for mac in macs for address in leases.get(mac, ())})[:MOST_ADDRESSES]
    words = [info.name, shown["title"], shown["description"], info.uuid, *addresses, *documents.macs]
    return Row(
        uuid=info.uuid,
        placement={
            **shown,
            "name": info.name[:LONGEST_NAME],
            "state": info.state,
            "state_reason": info.state_reason,
            "persistent": info.persistent,
            "autostart": info.autostart,
            "has_managed_save": info.has_managed_save,
            "run_id": info.run_id,
            "addresses": addresses,
            "search": " ".join(filter(None, words)).lower(),
        },
        documents=documents,
    )


def read(info: DomainInfo, source: str) -> Documents:
    """Mask and read the documents; one that we do not take is stored as empty."""
    now, then = public(info.live_xml), public(info.next_boot_xml)
    domain = now or then
    live, next_boot = now.text if now else "", then.text if then else ""
    facts = glance(domain, info.open_screens if now else None) if domain else {}
    found = snapshots(info)
    return Documents(
        source=source,
        columns={
            "title": ((domain.title if domain else None) or "")[:LONGEST_NAME],
            "description": ((domain.description if domain else None) or "")[:LONGEST_DESCRIPTION],
            "vcpus": bounded(domain.vcpus if domain else 0, LARGEST),
            "memory_kib": bounded(domain.memory_kib if domain else 0, 2**53),
            "exposed": " ".join(sorted({how for screen in facts.get("graphics", []) for how in screen["exposed"]})),
            "graphics": sorted({screen.type for screen in domain.graphics if screen.type}) if domain else [],
            "serials": lines(domain) if domain else [],
        },
        document={
            "live": live,
            "next_boot": next_boot,
            "live_sha256": digest(live),
            "next_boot_sha256": digest(next_boot),
            "facts": facts,
            "sources": named(info, now, then),
            "kept": kept(info, found),
            "pending": waiting(now, then),
            "settings": settings(then.element) if then else {},
        },
        macs=tuple(domain.macs) if domain else (),
        agent=now is not None and now.agent == "connected",
        snapshots=found,
    )


def waiting(now: DomainXML | None, then: DomainXML | None) -> list[dict[str, Any]]:
    """Where this run is another than the next start's definition; nothing where one of them is not there."""
    if now is None or then is None:
        return []
    try:
        found = pending(now.element, then.element)
    except BadXML:
        return []
    return [{**asdict(one), "parts": [asdict(part) for part in one.parts]} for one in found[:MOST_PENDING]]


def named(info: DomainInfo, *documents: DomainXML | None) -> list[list[str]]:
    """What the documents name as something to read or write, and what its snapshots name."""
    found = {tuple(source) for document in documents if document for source in sources(document)}
    found |= {source for snapshot in info.snapshots for source in snapshot.sources}
    return [list(source) for source in sorted(found)]


def snapshots(info: DomainInfo) -> tuple[dict[str, Any], ...]:
    """The rows of those that its host keeps of it."""
    return tuple(
        snapshot(one.name, one.told, current=one.current) for one in info.snapshots[:MOST_SNAPSHOTS] if one.told
    )


def snapshot(name: str, told: SnapshotTold, *, current: bool) -> dict[str, Any]:
    live, then = public(told.live), public(told.next_boot)
    domain, has_memory = live or then, told.memory != "no"
    memory = bounded(domain.memory_kib if domain else 0, 2**43) * 1024 if has_memory else 0
    return {
        "name": name[:LONGEST_NAME],
        "description": told.description[:LONGEST_DESCRIPTION],
        "kind": told.kind,
        "has_memory": has_memory,
        "state": told.state,
        "parent_name": told.parent[:LONGEST_NAME],
        "is_current": current,
        "taken_at": datetime.fromtimestamp(told.taken_at, UTC) if told.taken_at is not None else None,
        "memory_bytes": memory,
        "disks": [
            {"target": disk.target, "how": disk.how, "source": list(disk.source), "layer": list(disk.layer)}
            for disk in told.disks
        ],
        "live": live.text if live else "",
        "next_boot": then.text if then else "",
    }


def kept(info: DomainInfo, found: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """What its host keeps of it beside its definitions; {} for nothing. tree: another one where anything of its
    snapshots is another."""
    if not info.snapshots and not info.checkpoints:
        return {}
    return {
        "snapshots": [snapshot.name[:LONGEST_NAME] for snapshot in info.snapshots],
        "checkpoints": [name[:LONGEST_NAME] for name in info.checkpoints],
        "sources": [list(one) for one in sorted({one for snapshot in info.snapshots for one in snapshot.sources})],
        "tree": digest(json.dumps(found, default=str)) if found else "",
    }


def lines(domain: DomainXML) -> list[str]:
    """The names of its serial devices, as far as they fit."""
    return [name for name in domain.serials if len(name) <= LONGEST_DEVICE][:MOST_SERIALS]


def public(text: str) -> DomainXML | None:
    """The masked document; None for none and for what is not taken."""
    try:
        return DomainXML(masked(text)) if text else None
    except BadXML:
        return None


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest() if text else ""


def bounded(number: int | None, most: int) -> int:
    return min(max(number or 0, 0), most)
