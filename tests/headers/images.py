"""Images as QEMU makes them, and the same with a header that does harm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from vms.headers import ENOUGH

MIB: Final = 1 << 20


def made(folder: Path, format: str, *options: str, size: int = 64 * MIB) -> bytes:
    """The whole of an empty image of that format."""
    path = folder / f"made.{format}"
    extra = [word for option in options for word in ("-o", option)]
    subprocess.run(["qemu-img", "create", "-q", "-f", format, *extra, path, str(size)], check=True, timeout=60)
    return path.read_bytes()


def put(image: bytes, at: int, what: bytes) -> bytes:
    """The image with these bytes there."""
    padded = image.ljust(at + len(what), b"\0")
    return padded[:at] + what + padded[at + len(what) :]


def number(image: bytes, at: int, value: int, length: int = 4) -> bytes:
    return put(image, at, value.to_bytes(length, "big"))


def little(image: bytes, at: int, value: int, length: int = 4) -> bytes:
    return put(image, at, value.to_bytes(length, "little"))


def qcow2_over(image: bytes, path: str) -> bytes:
    """The qcow2 as a layer over that file of the host."""
    name = path.encode()
    return put(number(number(image, 8, 4096, 8), 16, len(name)), 4096, name)


def first(image: bytes) -> bytes:
    return image[:ENOUGH]


def text_vmdk(path: str, sectors: int = 8) -> bytes:
    """A VMDK that is all text and names that file."""
    return (
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\n\nRW {sectors} FLAT "{path}" 0\n'
    ).encode()


def hollow_vmdk(path: str) -> bytes:
    """A VMDK that begins like a sparse one without a capacity, so that the text in it decides."""
    head = b"KDMV" + (1).to_bytes(4, "little") + (3).to_bytes(4, "little") + bytes(8) + (128).to_bytes(8, "little")
    head += (1).to_bytes(8, "little") + (20).to_bytes(8, "little") + (512).to_bytes(4, "little")
    head += (21).to_bytes(8, "little") + (26).to_bytes(8, "little") + (128).to_bytes(8, "little") + b"\0\n \r\n\0\0"
    return put(head, 512, text_vmdk(path)).ljust(64 * 1024, b"\0")


def hostile(plain: bytes, path: str) -> dict[str, bytes]:
    """Images that would read that file of their host, or cannot be judged, made of an empty qcow2."""
    data = put(number(plain, 72, 4, 8), 112, b"DATA" + len(path).to_bytes(4, "big") + path.encode())
    return {
        "backing": qcow2_over(plain, path),
        "nested": qcow2_over(plain, 'json:{"driver":"file","filename":"' + path + '"}'),
        "data": data,
        "unknown": number(plain, 72, 1 << 40, 8),
        "encrypted": number(plain, 32, 1),
        "text": text_vmdk(path, 128),
        "hollow": hollow_vmdk(path),
    }
