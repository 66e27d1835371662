"""VMs that others have packed."""

from __future__ import annotations

from dataclasses import replace

from vms.kinds.base import Kind
from vms.kinds.create import CREATE
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

IMPORT = replace(CREATE, name="vm.import", title=mark("Import"), done=mark("imported"), secrets=frozenset())

KINDS = (READ, IMPORT)
