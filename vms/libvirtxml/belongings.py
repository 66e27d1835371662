"""What a definition has by itself, and what goes or stays when its VM does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.sources import Source, source


@dataclass(frozen=True)
class Belongings:
    """disks: [how, where, format] of what its disks are on, each once, without what lies below; shared: those of them
    that it has read-only, or together with others, readonly: the first of these; media: the same of drives and shared
    folders. nvram: the file with its firmware's variables, "" for none. tpm: whether its host keeps a TPM's state for
    it."""

    disks: list[Source]
    shared: list[Source]
    media: list[Source]
    nvram: str
    tpm: bool
    readonly: list[Source] = field(default_factory=list)


def belongings(documents: Iterable[DomainXML]) -> Belongings:
    """Of the definitions of one domain, as it runs and as it starts next, together."""
    disks, shared, readonly, media, nvram, tpm = [], [], [], [], "", False
    for document in documents:
        for disk in document.devices.iterfind("disk"):
            found = source(disk, find(disk, "driver/@type") or "")
            if disk.get("device", "disk") not in ("disk", "lun"):
                media.append(found)
                continue
            disks.append(found)
            if disk.find("shareable") is not None or disk.find("readonly") is not None:
                shared.append(found)
            if disk.find("readonly") is not None:
                readonly.append(found)
        media += [source(share, "") for share in document.devices.iterfind("filesystem")]
        nvram = nvram or find(document.element, "os/nvram") or find(document.element, "os/nvram/source/@file") or ""
        tpm = tpm or document.devices.find("tpm/backend[@type='emulator']") is not None
    return Belongings(each_once(disks), each_once(shared), each_once(media), nvram.strip(), tpm, each_once(readonly))


def each_once(found: list[Source]) -> list[Source]:
    return sorted({tuple(one[:2]): one for one in found if one}.values())
