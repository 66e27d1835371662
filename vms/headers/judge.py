"""What an image is, and whether it may be one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from vms.errors import RefusedImage
from vms.headers import qcow2, vdi, vhdx, vmdk, vpc
from vms.headers.head import Head, check

# So much of an image's beginning is needed: what QEMU writes has the metadata of a VHDX within it.
ENOUGH: Final = 4 << 20

# Where QEMU and libvirt look to tell what an image is; what is recognised and has no parser here is refused.
SIGNATURES: Final = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "cowd"),
    (0, b"conectix", "vpc"),
    (0, b"vhdxfile", "vhdx"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (257, b"ustar", "ova"),
    (0, b"QED\0", "qed"),
    (0, b"OOOM", "cow"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"SKUL\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "ploop"),
    (0, b"WithouFreSpacExt", "ploop"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "cloop"),
)
# The text that stands beside the extents of a VMDK, as QEMU recognises it, and as people write it.
DESCRIPTOR: Final = re.compile(
    rb"(?:#[^\n]{0,4096}\n|[ \t]{0,4096}\r?\n){0,64}[ \t]{0,80}"
    rb"(?:version[ \t]{0,8}=|#[ \t]{0,8}disk[ \t]{1,8}descriptor)",
    re.IGNORECASE,
)
ISO: Final = (32769, b"CD001")

CAPACITIES: Final[dict[str, Callable[[Head], int]]] = {
    "qcow2": qcow2.capacity, "vmdk": vmdk.capacity, "vdi": vdi.capacity, "vhdx": vhdx.capacity, "vpc": vpc.capacity,
}  # fmt: skip
# Served as raw: what they are is of use to who reads them only.
PLAIN: Final = ("raw", "iso", "ova")
FORMATS: Final = (*PLAIN, *CAPACITIES)
# Known and kept, but given to no VM and never converted here.
FOREIGN: Final = ("vdi", "vhdx", "vpc")


def looks(first: bytes) -> str:
    """What a prober would take it for: one of FORMATS, or the name of something that is refused."""
    found = {name for at, magic, name in SIGNATURES if first[at : at + len(magic)] == magic}
    if found:
        return found.pop() if len(found) == 1 else "several"
    if DESCRIPTOR.match(first):
        return "descriptor"
    return "iso" if first[ISO[0] :].startswith(ISO[1]) else "raw"


def judge(first: bytes, *, size: int) -> str:
    """The format, of FORMATS, that an image of so many bytes is, by its first ENOUGH (all, where it has less).

    Raises RefusedImage where it is nothing that we serve; reason says why.
    """
    found = looks(first)
    measure(first, found, size)
    return found


def capacity(first: bytes, *, size: int) -> int:
    """How many bytes its disk has for a guest; RefusedImage as judge."""
    return measure(first, looks(first), size)


def require(first: bytes, format: str, *, size: int, over: tuple[str, str] | None = None) -> None:
    """Nothing, or RefusedImage: other_format where it looks like another format than this, else as judge. An ISO and
    an archive are served as raw. over: (path, format) of what it must be a layer over, as we made it."""
    found = looks(first)
    if found != format and not (format == "raw" and found in PLAIN):
        raise RefusedImage(reason="other_format")
    if over is not None:
        check(found == "qcow2", "backing_file")
        check(len(first) >= min(size, ENOUGH), "cut_off")
        qcow2.capacity(Head(first, size), over)
        return
    measure(first, found, size)


def measure(first: bytes, found: str, size: int) -> int:
    check(len(first) >= min(size, ENOUGH), "cut_off")
    if found in PLAIN:
        return size
    check(found != "luks", "encrypted")
    check(found != "descriptor", "extents")
    check(found in CAPACITIES, "unknown_format")
    return CAPACITIES[found](Head(first, size))
