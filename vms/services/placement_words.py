"""Why a VM can't move to a host, or what is to be known before that, in words: thing, reason, way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext, ngettext

from vms.kinds.words import mark

KIB: Final = 1024
GIB: Final = 1 << 30

# {vm}, {host} and {here}, the host that it is on, are known to each; the rest is the reason's own.
REASONS: Final[dict[str, str]] = {
    "same": mark("{vm} is on {host}."),
    "template": mark("{vm} is a template, which stays where its disks are. Make a VM from it there."),
    "gone": mark("No host shows {vm} now. Wait until one does."),
    "not_kept": mark("{vm} is not kept after it stops. Let {here} keep its definition first."),
    "saved": mark("The memory of {vm} is saved on {here}. Restore it, or discard the saved state, then move it."),
    "state": mark("{vm} is {state}. It moves while it runs, is paused or is off."),
    "unread": mark("Nobody has read yet what {vm} is made of. Wait a moment."),
    "snapshots": mark(
        "libvirt moves no VM that has snapshots ({n} here). Delete them first, or move them into a clone."
    ),
    "checkpoints": mark("Its checkpoints ({n}) stay behind: the next backup is a whole one."),
    "here_silent": mark("{here} is not answering. A VM leaves only a host that takes part in it."),
    "maintenance": mark("{host} is in maintenance and takes no VMs. Choose another host, or end that."),
    "silent": mark("{host} is not answering. Choose another host, or bring it back."),
    "alone": mark("{host} is left alone: the dashboard does not connect to it. An administrator can end that."),
    "new": mark("Nobody has heard {host} yet. Wait a moment, or see on its page why."),
    "unknown": mark("Nobody has read yet what {host} is made of. It is asked before anything moves."),
    "old": mark("What is known of {host} is some time old. It is asked again before anything moves."),
    "driver": mark("Only hosts with QEMU take VMs from each other."),
    "nodes": mark("No worker reaches both {here} and {host}. Add one of them over ssh or TLS."),
    "uuid_taken": mark("{host} has a VM of the same UUID. Remove that first."),
    "name_taken": mark("{host} has another VM called {vm}. Rename one of them."),
    "qemu_older": mark("QEMU is older on {host}{older}: coming back may work where this does not, and the reverse."),
    "arch": mark("{vm} is for {arch}, and {host} is not. Choose a host of that architecture."),
    "kvm": mark("{host} has no KVM, which {vm} needs. Switch virtualization on in its firmware."),
    "machine": mark("QEMU on {host} has no machine type “{machine}”. Install a newer QEMU there, or change the type."),
    "vcpus": mark("{vm} has {n} processors, and a VM of its machine type has {most} at most on {host}."),
    "pinned": mark("{vm} is bound to processor {cpu} of its host, and {host} has not so many. Unbind it first."),
    "few_cpus": mark("{vm} has {n} processors, more than {host}: it will be slow there."),
    "emulator": mark("QEMU is called otherwise on {host}, and may be built otherwise."),
    "emulated": mark(
        "{vm} runs in software emulation. Before QEMU 9.0 a move can lose what such a guest writes meanwhile, and it "
        "hangs or crashes then. Choose that it stands still meanwhile."
    ),
    "firmware": mark("{host} has no UEFI for VMs. Install it there (OVMF)."),
    "secure_boot": mark("{host} has no UEFI with secure boot. Install it there (OVMF)."),
    "label": mark("The definition of {vm} names a label of {model}, which {host} does not confine VMs with."),
    "cpu_stays": mark(
        "{vm} may have what only its host's processor can go on with (migratable is off). Change that, then start "
        "it anew."
    ),
    "cpu_clocked": mark(
        "{vm} counts by its host's clock (invtsc). Say its frequency, or take that from it, then start it anew."
    ),
    "cpu_vendor": mark(
        "{vm} runs on a processor of {vendor}, and {host} has one of another maker. Move it while it is off."
    ),
    "cpu_features": mark(
        "{vm} has all that its host's processor has, and that of {host} lacks some{lacking}. Choose a processor by "
        "name that both have, or move it while it is off."
    ),
    "cpu_own_features": mark(
        "The processor of {vm} has what that of {host} lacks: {lacking}. Choose a processor that both have."
    ),
    "cpu_model": mark("{host} can't be a processor “{model}”. Choose one by name that both hosts have."),
    "cpu_unknown": mark(
        "{host} does not tell which processors its VMs can have. It is asked again before anything moves."
    ),
    "memory": mark(
        "{vm} has {memory} of memory, more than all that {host} has{whole}. Give it less, or choose another host."
    ),
    "memory_free": mark("{vm} has {memory} of memory, more than no VM has on {host} now{free}."),
    "pages": mark("{host} keeps no huge pages of the size that {vm} has. Reserve them there."),
    "sriov": mark("The network “{network}” gives {vm} a part of a network card of its host. Move it while it is off."),
    "network": mark("{host} lacks the network “{network}”. Create it there, or choose another network."),
    "network_stopped": mark("The network “{network}” is stopped on {host}. Start it there."),
    "bridge": mark("{host} lacks the bridge “{bridge}”. Create it there, or choose another network."),
    "bridge_unknown": mark("{host} does not tell whether it has the bridge “{bridge}”."),
    "link": mark("{host} lacks the network card “{link}”. Choose another network."),
    "filter": mark("{host} lacks the network filter “{filter}”. Create it there, or take it from the card."),
    "transient": mark(
        "What is written to {disk} is forgotten when {vm} stops, and does not move. Move it while it is off."
    ),
    "medium": mark("What is in the drive {disk} is not on {host}. Take it out first."),
    "seed": mark("The disc of its first boot is in the drive {disk}, and not on {host}. Take it out first."),
    "cache": mark(
        "{disk} is cached by {here}, whose QEMU is too old to let go of that. Set its cache to none, then start it "
        "anew."
    ),
    "disk_outside": mark("{disk} is in no storage pool that is known. Make a pool of its folder first."),
    "disk_shared": mark("{disk} is for several VMs and on {here} alone. Put it on storage that both hosts have."),
    "disk_readonly": mark(
        "{disk} is read-only and on {here} alone, and libvirt copies no such disk. Put it on storage that both "
        "hosts have."
    ),
    "disks_local": mark("{host} does not reach {disks}. Let that be copied."),
    "clear": mark(
        "Disks go only where nobody on the way can read them, and what goes from {here} to {host} is not under TLS. "
        "An administrator sets that on “How VMs move” in the menu of {here}."
    ),
    "no_pool": mark("{disks} would be copied, and {host} has no started pool that you may use."),
    "format": mark("{disk} is {format}, which the pool {pool} does not hold. Choose another pool."),
    "room": mark(
        "The pool {pool} on {host} has {free_bytes} left, and the disks can become {all_bytes}. Choose another "
        "pool, or make room."
    ),
    "device": mark("{vm} has {device} of its host. Take it off first."),
    "virtiofs": mark("{vm} shares a folder of its host by virtiofs. Take it off, or move it while it is off."),
    "folder": mark("{vm} shares a folder of its host. Take that off first."),
    "tpm": mark("{host} can't emulate a TPM. Install swtpm there."),
    "tpm_off": mark("What the TPM of {vm} holds moves only while it runs. Start it first."),
    "nvram_off": mark("What is set in its firmware (boot order, keys) stays behind, since it is off."),
}  # fmt: skip
DEVICES: Final[dict[str, str]] = {
    "pci": mark("a PCI device"), "mdev": mark("a part of a device (mdev)"), "usb": mark("a USB device"),
    "scsi": mark(
        "a SCSI device"), "vdpa": mark("a network card by vDPA"), "card": mark("a network card of its own making"
    ),
    "shmem": mark("memory that it shares with others"), "nvdimm": mark("lasting memory (NVDIMM)"),
    "tpm": mark("the TPM"), "capabilities": mark("a device"),
}  # fmt: skip
MODES: Final[dict[str, str]] = {
    "live": mark("live"), "paused": mark("paused meanwhile"), "offline": mark("while it is off"),
}  # fmt: skip
ENDS: Final[dict[str, str]] = {
    "cancel": mark("{age} at most"),
    "pause": mark("stands still after {age} until it is there"),
    "postcopy": mark("goes over after {age}, before all of its memory has come"),
}


class Known(dict[str, Any]):
    """A missing one shows as an ellipsis, because a sentence must never fail."""

    def __missing__(self, key: str) -> str:
        return "…"


def reason_text(code: str, params: Mapping[str, Any], *, vm: str, host: str, here: str) -> str:
    """One reason. host, here: "" for who may not see that; what only who sees it is told is among the params, or is
    not."""
    if code not in REASONS:
        return code.replace("_", " ")
    words = {**params, "vm": vm, "host": host or gettext("the other host"), "here": here or gettext("its host")}
    template = gettext(REASONS[code])
    text = template.format_map(Known({**words, **written(code, params)}))
    nameless = (template.startswith("{host}") and not host) or (template.startswith("{here}") and not here)
    return text[:1].upper() + text[1:] if nameless else text


def written(code: str, params: Mapping[str, Any]) -> dict[str, str]:
    """What is written otherwise than it is kept."""
    features = str(params.get("features", ""))
    lacking = features or ("" if code == "cpu_features" else gettext("some"))
    there = params.get("there")
    return {
        "older": f" ({there})" if there else "",
        "lacking": f" ({lacking})" if code == "cpu_features" and lacking else lacking,
        "memory": size(int(params.get("kib", 0)) * KIB),
        "whole": f" ({size(int(params['whole_kib']) * KIB)})" if "whole_kib" in params else "",
        "free": f" ({size(int(params['free_kib']) * KIB)})" if "free_kib" in params else "",
        "free_bytes": size(int(params.get("free", 0))),
        "all_bytes": size(int(params.get("bytes", 0))),
        "device": gettext(DEVICES.get(str(params.get("device")), "a device")),
    }


def copies(disks: int, of: int, pool: str) -> str:
    """ "copies 1 disk of 20 GiB to pool fast"."""
    return ngettext(
        "copies {n} disk of {size} to pool {pool}", "copies {n} disks of {size} to pool {pool}", disks
    ).format(n=disks, size=size(of), pool=pool)


def size(amount: int) -> str:
    """Bytes as GiB with one digit; less than one as MiB."""
    if amount < GIB:
        return gettext("{n} MiB").format(n=round(amount / (1 << 20)))
    return gettext("{n} GiB").format(n=f"{amount / GIB:.1f}".removesuffix(".0"))
