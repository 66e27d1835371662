"""Uploads: done by the transfer process, which holds them from their first request to their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

# What an upload may be; each is kept as it comes, byte for byte.
FORMATS: Final = ("raw", "qcow2", "iso", "ova", "vmdk", "vdi", "vhdx", "vpc")


@dataclass(frozen=True)
class File(Params):
    """name: the volume's. size_bytes: of the file, which is what the volume can hold."""

    name: str
    size_bytes: int
    format: str


UPLOAD = Kind(
    name="volume.upload",
    title=mark("Upload"),
    done=mark("uploaded into"),
    target="pool",
    privileges=("pool.upload",),
    params=File,
    queue="transfer",
    lock=False,
    cancellable=True,
    silence_seconds=60,
    takes=frozenset({"disk_bytes"}),
)

KINDS = (UPLOAD,)
