"""VMs that others have packed."""

from __future__ import annotations

from vms.kinds.base import Kind
from vms.kinds.create import OWNERS, NewVm
from vms.kinds.words import mark

READ = Kind(
    name="archive.read",
    title=mark("Read what is in it"),
    done=mark("read"),
    target="volume",
    privileges=(),
    queue="slow",
    cancellable=True,
    silence_seconds=120,
    deed="copy",
    apart=True,
)

IMPORT = Kind(
    name="vm.import",
    title=mark("Import"),
    done=mark("imported"),
    target="vm",
    privileges=OWNERS,
    params=NewVm,
    queue="slow",
    cancellable=True,
    silence_seconds=240,
    takes=frozenset({"vms", "vcpus", "memory_kib", "disk_bytes"}),
    apart=True,
    makes=True,
)

KINDS = (READ, IMPORT)
