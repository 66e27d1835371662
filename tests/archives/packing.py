"""OVAs as others export them, and the same with something in them that does harm."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from lxml import etree

from tests.archives.test_tar import packed
from tests.libvirtxml.test_ovf import a, envelope, item

__all__ = ["a", "envelope", "item", "ova", "sums", "vmdk"]


def vmdk(folder: Path, disk: bytes, kind: str = "streamOptimized") -> bytes:
    """The disk as a VMDK of that kind."""
    (folder / "disk").write_bytes(disk)
    command = ("qemu-img", "convert", "-q", "-f", "raw", "-O", "vmdk", "-o", f"subformat={kind}", folder / "disk")
    subprocess.run([*command, folder / "disk.vmdk"], check=True, timeout=120)
    return (folder / "disk.vmdk").read_bytes()


def sums(*files: tuple[str, bytes], algorithm: str = "sha256") -> bytes:
    """The list of checksums of these files."""
    lines = (
        f"{algorithm.upper()}({name})= {hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}\n"
        for name, data in files
    )
    return "".join(lines).encode()


def ova(
    root: etree._Element, *disks: tuple[str, bytes], listed: bytes | None = None, first: str = "web.ovf", **odd: Any
) -> bytes:
    """An archive with that description and these files; listed: another list of checksums, b"" for none."""
    files = ((first, etree.tostring(root, xml_declaration=True, encoding="UTF-8")), *disks)
    listed = sums(*files) if listed is None else listed
    more = (("web.mf", listed),) if listed else ()
    return packed(files[0], *more, *disks, **odd)
