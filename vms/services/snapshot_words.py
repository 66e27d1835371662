"""What snapshot_rules answers, as people read it: the thing, the reason and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark

# Every code of a Reason.
REASONS: Final[dict[str, str]] = {
    # What stands against it.
    "driver": mark("this host's driver keeps no snapshots."),
    "state": mark("a VM that is {state} has neither a run nor quiet disks. Start it or shut it down first."),
    "checkpoints": mark(
        "it has checkpoints of incremental backups ({names}), and libvirt takes and merges no snapshots beside "
        "these. Delete the checkpoints first; the next backup is then a full one."
    ),
    "checkpoints_revert": mark(
        "it has checkpoints of incremental backups ({names}), and QEMU dies of going back while they are there. "
        "Delete the checkpoints first; the next backup is then a full one."
    ),
    "no_disk": mark("it has no disk that it writes to, so that there is nothing to keep."),
    "backs": mark(
        "other disks are layers over its disk {disk}, and would be spoiled by it. Delete or flatten these first."
    ),
    "shareable": mark("its disk {disk} is shared with others, who go on writing. Take it out first."),
    "missing": mark("what disk {disk} needs is gone: {where}. Bring the file back to its place."),
    "format": mark(
        "disk {disk} is {format}, and only qcow2 keeps a state inside. Convert the disk, or take a snapshot with "
        "layers."
    ),
    "uefi": mark(
        "it starts by UEFI, and libvirt {version} keeps no firmware's variables in a snapshot; 10.10 and later can. "
        "Take a snapshot with layers, or clone it while it is off."
    ),
    "nvram": mark(
        "its firmware's variables are in a {format} file, and only a qcow2 keeps a state inside. Take a snapshot "
        "with layers, or clone it while it is off."
    ),
    "needs_memory": mark(
        "while it runs, a snapshot inside its disks holds its memory too. Take it with memory, or shut it down first."
    ),
    "memory_off": mark("it does not run, so that it has no memory to keep. Take the snapshot without memory."),
    "memory_inside": mark(
        "memory is kept inside qcow2 disks only. Take the snapshot without memory, or of disks that are all qcow2."
    ),
    "passthrough": mark(
        "devices of the host are passed through to it ({names}), whose state nobody can keep. Shut it down first, "
        "or take them out."
    ),
    "shares": mark(
        "folders of the host are shared with it ({names}), and no memory is kept with these. Shut it down first, or "
        "take them out."
    ),
    "not_file": mark("disk {disk} is no file in a storage pool, so that there is no place for a layer over it."),
    "gone": mark("it has no snapshot {name} any more. Look again."),
    "no_definition": mark(
        "the snapshot does not say what the VM was made of, so that nobody can judge what would come back. Restore "
        "its disks as a new VM."
    ),
    "external_old": mark(
        "libvirt {version} cannot go back to a snapshot with layers; 9.9 and later can. Restore it as a new VM, or "
        "update the host's libvirt."
    ),
    "disk_gone": mark(
        "its disk {disk}, in which the state is, is no longer attached. Attach it again under that name."
    ),
    "disk_other": mark("its disk {disk} is another by now than the one in which the state is. Attach that one again."),
    "layered": mark(
        "the state of disk {disk} lies under a layer that a later snapshot has put over it. Delete that later "
        "snapshot first; its layer is merged then, and nothing of the present is lost."
    ),
    "mixed_one": mark(
        "it keeps some disks inside and some under layers, which libvirt lets go of only together. Restore it as a "
        "new VM, then delete this one with its disks."
    ),
    "inside_layers": mark(
        "snapshots are kept inside its layers ({names}), and would be lost when these are merged. Delete them first."
    ),
    "over_inside": mark(
        "libvirt merges no layer over a snapshot that is kept inside the disks ({names}), so that it could never be "
        "let go of. Delete that one first, or keep to its kind."
    ),
    "freezes": mark(
        "disk {disk} is what other snapshots hold still under their layers ({names}), and they would be spoiled by "
        "it. Delete them first."
    ),
    "merges_not": mark(
        "libvirt {version} lets go of no snapshot with layers; 9.0 and later do. Update the host's libvirt."
    ),
    "needs_run": mark(
        "while a VM is off, libvirt {version} merges its last layer only; 9.9 and later any. Start it, or delete "
        "those first that came from it."
    ),
    "branched": mark(
        "more than one snapshot came from it, and libvirt {version} merges no branches. Delete all but one of them "
        "first."
    ),
    "not_in_chain": mark(
        "the layer of disk {disk} is none of those that it lies on now, so that there is nothing to merge it with. "
        "Go back to that snapshot first, where the host can."
    ),
    "name_inside": mark(
        "the state is found inside the disks by the snapshot's name, which nothing can change. Change its description."
    ),
    "no_layers": mark("nothing lies under its disks."),
    "snapshots_first": mark("it has snapshots ({names}), whose states lie in what would go. Delete these first."),
    "flatten_off": mark("its own QEMU writes what lies under its disks into them, so it has to run. Start it first."),
    "no_room": mark(
        "keeping the present state first needs {needs}, and its pool has {free} free. Make room, or go back without."
    ),
    "no_agent": mark(
        "the guest's agent did not hold its file systems still. See that it runs, or take the snapshot without "
        "asking it."
    ),
    "quiesce_off": mark("it does not run, so that nobody can hold its file systems still, and nobody writes to them."),
    # What should be known before.
    "mixed": mark(
        "It has snapshots of the other kind. Each kind stands in the way of the other: they are let go of in the "
        "reverse order only."
    ),
    "long": mark("Its disks will lie on {number} layers; reading grows slower with each. Delete older snapshots."),
    "long_chain": mark("Disk {disk} lies on {number} layers; reading grows slower with each. Delete older snapshots."),
    "external_stuck": mark(
        "libvirt {version} cannot go back to a snapshot with layers. It can be restored as a new VM, and let go of."
    ),
    "as_after_a_crash": mark("Its disks are as after a power cut, unless the guest's agent holds them still."),
    "tpm": mark("Its TPM's state is not kept. Where a disk is sealed to it, have the recovery key ready."),
    "tpm_stays": mark("Its TPM's state stays as it is now. Where a disk is sealed to it, have the recovery key ready."),
    "loses_run": mark("It runs. What it does now ends without a word to the guest."),
    "disk_left": mark("Disk {disk} is not in it: the disk stays as it is, and the VM may come back without it."),
    "merges": mark("Layers are merged, which reads and writes what was changed since."),
    "missing_file": mark("A file that it or a snapshot names is gone: {where}."),
    # Why a snapshot is of its kind.
    "asked": mark("It was asked for so."),
    "as_before": mark("Its other snapshots are of this kind."),
    "inside": mark("All its disks are qcow2, which keep a state inside: any host can go back to it."),
}


def reason_words(code: str, params: Mapping[str, Any]) -> str:
    """The sentence for a code, the code itself for one of another version."""
    known = {name: str(value) for name, value in params.items()}
    try:
        said = gettext(REASONS[code]).format_map(known)
    except KeyError:
        return code
    return said[:1].upper() + said[1:]
