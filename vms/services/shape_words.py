"""What the parts of a machine, their properties and what they can be are called."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark

from vms.libvirtxml.shaping import Part, Value
from vms.services import systems
from vms.services.shaping import AUTOSTART, Change, Machine

SORTS: Final = {
    "overview": mark("Overview"),
    "cpu": mark("Processors"),
    "memory": mark("Memory"),
    "boot": mark("Boot"),
    "disk": mark("Disk"),
    "cdrom": mark("CD drive"),
    "floppy": mark("Floppy drive"),
    "interface": mark("Network card"),
    "input": mark("Input"),
    "graphics": mark("Screen"),
    "sound": mark("Sound"),
    "serial": mark("Serial line"),
    "parallel": mark("Parallel port"),
    "console": mark("Console"),
    "channel": mark("Channel"),
    "hostdev": mark("Host device"),
    "redirdev": mark("USB redirection"),
    "filesystem": mark("Shared folder"),
    "video": mark("Video"),
    "watchdog": mark("Watchdog"),
    "controller": mark("Controller"),
    "smartcard": mark("Smartcard reader"),
    "tpm": mark("TPM"),
    "rng": mark("Random numbers"),
    "panic": mark("Panic device"),
    "vsock": mark("Socket to the host"),
    "memballoon": mark("Memory balloon"),
    "mouse": mark("Mouse"),
    "keyboard": mark("Keyboard"),
    # Only where one is added.
    "card": mark("Network card"),
    "folder": mark("Shared folder"),
    "tablet": mark("Tablet"),
    "screen": mark("VNC screen"),
    "agent": mark("Guest agent's channel"),
    "clipboard": mark("Clipboard's channel"),
    "balloon": mark("Memory balloon"),
}
OWN_SORTS: Final = frozenset(
    {("disk", "cdrom"), ("disk", "floppy"), ("input", "tablet"), ("input", "mouse"), ("input", "keyboard")}
)  # fmt: skip
# Whose keys people know.
NAMED: Final = frozenset({"disk", "interface", "controller"})
ABOUT: Final = {
    "source": mark("Is on"),
    "format": mark("Format"),
    "type": mark("Type"),
    "mac": mark("MAC"),
    "bridge": mark("Bridge"),
    "filter": mark("Filter"),
    "channel": mark("Name"),
    "backend": mark("Backend"),
    "own_bus": mark("Bus"),
}
LENSES: Final = {
    "title": mark("Title"),
    "os": mark("Operating system"),
    "cpu_shares": mark("Share of the host's processors"),
    "cpuset": mark("Only on the host's processors"),
    "hugepages": mark("On huge pages of the host"),
    "locked": mark("Never swapped by the host"),
    "memory_limit": mark("Limit of what it takes of the host"),
    "shared": mark("Shared memory"),
    "description": mark("Description"),
    AUTOSTART: mark("Starts with its host"),
    "on_poweroff": mark("When the guest powers off"),
    "on_reboot": mark("When the guest reboots"),
    "on_crash": mark("When the guest crashes"),
    "firmware": mark("Firmware"),
    "machine": mark("Machine type"),
    "cpus": mark("Processors"),
    "cpus_max": mark("Processors at most"),
    "topology": mark("Topology"),
    "cpu_mode": mark("Model"),
    "memory": mark("Memory"),
    "memory_max": mark("Memory at most"),
    "boot_order": mark("Order"),
    "boot_menu": mark("Boot menu"),
    "boot_timeout": mark("Boot menu for so many milliseconds"),
    "medium": mark("Medium"),
    "bus": mark("Bus"),
    "cache": mark("Cache"),
    "discard": mark("Discard"),
    "detect_zeroes": mark("Detect zeroes"),
    "io": mark("Input and output"),
    "readonly": mark("Read only"),
    "serial": mark("Serial number"),
    "bytes_sec": mark("Limit, bytes a second"),
    "iops_sec": mark("Limit, operations a second"),
    "network": mark("Network"),
    "model": mark("Model"),
    "link": mark("Link"),
    "inbound": mark("Limit in, KiB a second"),
    "outbound": mark("Limit out, KiB a second"),
    "three_d": mark("3D acceleration"),
    "listens": mark("Listens"),
    "keymap": mark("Keymap"),
    "password": mark("Password"),
    "no_password": mark("No password"),
    "clipboard": mark("Copy and paste"),
    "version": mark("Version"),
    "cid": mark("Its number there (CID)"),
    "bytes": mark("Limit, bytes a second"),
    "action": mark("When the guest hangs"),
    "period": mark("Reads its numbers every so many seconds"),
    "autodeflate": mark("Gives memory back before the guest runs out"),
    "reporting": mark("Tells the host of free pages"),
}
HELP: Final = {
    "cpu_shares": mark("A VM of 2048 gets twice as much as one of 1024 where both want more than there is."),
    "cpuset": mark("Their numbers, like 0-3,8."),
    "description": mark("With Markdown's signs: **bold**, - lists, [links](https://example.org)."),
    "os": mark(
        "What its definition says is on its disks: clones and templates of it are made by that, and virt-manager shows "
        "it. Its devices stay as they are. What its guest says itself is under Guest. Empty: unknown."
    ),
    "topology": mark(
        "sockets x cores x threads, like 1x4x1: together as many as it has at most. Empty: all are sockets."
    ),
    "boot_order": mark("The names of its devices with blanks between them, like “vda net0”."),
    "firmware": mark(
        "Only what its host has. What was installed with the one mostly does not start with the other. The host "
        "chooses the firmware's files; what the old one had remembered stays in its file there, and is read again "
        "where it comes back."
    ),
    "machine": mark(
        "A newer version is like a newer board. Another chipset is another machine to the guest: its devices get "
        "other places, disks on IDE become SATA on Q35, names of network cards change, and Windows may want to be "
        "activated again."
    ),
    "memory": mark("In MiB. More than it has at most comes with a restart."),
    "memory_max": mark("In MiB."),
    "memory_limit": mark(
        "In MiB, for the guest and its QEMU together: at least 256 MiB more than the memory at most, and more with "
        "many disks or screens. Where it takes more, the host's kernel ends it. Empty: no limit."
    ),
    "shared": mark(
        "A shared folder (virtiofs) needs it, and sets it. The host cannot merge it with what other VMs have alike."
    ),
    "cpu_mode": mark(
        "The host's own and what is like the host's have its mitigations of security holes along. One with a name has "
        "only those that its name stands for, but is the same on each host that has it."
    ),
    "listens": mark(
        "For the browser's console a VM on the dashboard's own machine needs no address; of another one the console's "
        "page says what it needs. On an address QEMU asks for a password; on all of them, whoever reaches the host "
        "reaches the screen, and what is sent is not encrypted."
    ),
    "three_d": mark(
        "Drawn by its host's graphics card, beside its screen. The guest needs a driver for it (Linux has one), and "
        "reaches the host's own by it."
    ),
    "cid": mark("Two VMs of a host cannot have the same. Empty: the host chooses."),
    "cpus": mark("More than it has at most comes with a restart."),
    "bus": mark("Its system must have a driver for it; the disk gets another name."),
    "serial": mark("As the guest sees it."),
    "password": mark("A new one; whether there is one now is not shown. Empty, it stays as it is."),
    "no_password": mark("Whoever reaches the screen sees it, then."),
    "readonly": mark("What was given read only stays so, but for who may define VMs."),
}
# What libvirt's words mean, where people call it otherwise.
VALUES: Final = {
    "on_poweroff.destroy": mark("it is off"),
    "on_reboot.destroy": mark("it is off"),
    "on_crash.destroy": mark("it is off"),
    "restart": mark("it starts again"),
    "preserve": mark("it stays as it is, for looking at"),
    "bios": mark("BIOS"),
    "efi": mark("UEFI"),
    "secure": mark("UEFI with secure boot"),
    "yes": mark("yes"),
    "no": mark("no"),
    "on": mark("on"),
    "off": mark("off"),
    "up": mark("connected"),
    "down": mark("unplugged"),
    "host-model": mark("like the host's"),
    "host-passthrough": mark("the host's own"),
    "maximum": mark("all that this host can give"),
    "reset": mark("reset it"),
    "shutdown": mark("shut it down"),
    "poweroff": mark("force it off"),
    "pause": mark("pause it"),
    "inject-nmi": mark("send an NMI"),
    "listens.none": mark("nowhere: only by its host's own connection"),
    "listens.socket": mark("on a socket of its host"),
    "listens.loopback": mark("on its host alone (127.0.0.1)"),
    "listens.everywhere": mark("on all addresses of its host"),
    "listens.address": mark("on another address of its host"),
}


# Of these nothing is nothing, and no choice of libvirt's.
EMPTY: Final = frozenset(
    {"title", "description", "cpuset", "medium", "serial", "bytes_sec", "iops_sec", "inbound", "outbound", "bytes",
     "memory_limit"}
)  # fmt: skip


def sort_word(sort: str) -> str:
    return gettext(SORTS.get(sort, sort))


def sort_of(part: Part) -> str:
    """ "disk", "cdrom", "interface", "tablet"."""
    device = part.about.get("device" if part.sort == "disk" else "type", "")
    return device if (part.sort, device) in OWN_SORTS else part.sort


def part_word(part: Part) -> str:
    """ "Disk vda", "Network card net0", "Memory", "Tablet", "Serial line 2"."""
    word = sort_word(sort_of(part))
    if part.sort in NAMED:
        return f"{word} {part.key}"
    number = part.key[len(part.key.rstrip("0123456789")) :]
    return word if number in ("", "0") or part.sort == "input" else f"{word} {int(number) + 1}"


def about_words(part: Part) -> list[tuple[str, str]]:
    """What tells it from others, as (what, value)."""
    return [(gettext(ABOUT[name]), value) for name, value in part.about.items() if name in ABOUT and value]


def machine_words(there: Machine) -> list[tuple[str, str]]:
    """What runs it, and what confines that in this run."""
    labels = there.live.security_labels if there.live else []
    found = [(gettext("Emulator"), there.next.emulator), (gettext("Security label (sVirt)"), "; ".join(labels))]
    return [(name, value) for name, value in found if value]


def lens_word(name: str) -> str:
    return gettext(LENSES.get(name, name))


def own_word(name: str) -> str:
    """What it means that a definition says nothing."""
    if name == "os":
        return gettext("unknown")
    return gettext("nothing") if name in EMPTY else gettext("libvirt's own choice")


def value_word(name: str, value: Value, own: str = "") -> str:
    """ "8 GiB", "unmap", "yes"; own: what a definition that says nothing means."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value is None or value == "":
        return own or gettext("nothing")
    if name in ("memory", "memory_max", "memory_limit") and isinstance(value, int):
        return size_word(value)
    if name == "os":
        return systems.name_of(str(value))
    word = VALUES.get(f"{name}.{value}") or VALUES.get(str(value))
    return gettext(word) if word else str(value)


def size_word(kib: int) -> str:
    for unit, word in ((1 << 20, "GiB"), (1 << 10, "MiB")):
        if kib >= unit and kib % (unit // 8) == 0:
            return f"{kib / unit:g} {word}"
    return f"{kib} KiB"


def when_word(when: str, *, runs: bool) -> str:
    if not runs:
        return ""
    return {
        "now": gettext("now"),
        "restart": gettext("after a restart"),
        "both": gettext("now and after a restart"),
    }[when]


def change_word(change: Change, *, runs: bool) -> str:
    """ "Memory 4 GiB → 8 GiB, after a restart"."""
    if change.what in ("added", "removed"):
        sort = sort_word(change.sort)
        name = f"{sort} {change.part}" if change.part and change.part != change.sort else sort
        said = gettext("{name} is added") if change.what == "added" else gettext("{name} is taken out")
        said = said.format(name=name)
    elif change.what == "password":
        said = gettext("A new password") if change.value else gettext("No password")
    else:
        was, value = (value_word(change.what, one, own_word(change.what)) for one in (change.was, change.value))
        said = f"{lens_word(change.what)}: {was} → {value}"
    when = when_word(change.when, runs=runs)
    if change.what == "password" and change.when == "both":
        when = gettext("now where this run asks for one already, and after a restart")
    return f"{said}, {when}" if when else said
