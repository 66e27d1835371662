"""The disc that a VM reads at its first boot."""

from __future__ import annotations

from typing import Final

from vms.kinds.base import Kind
from vms.kinds.words import mark

DROP_SEED: Final = Kind(
    name="vm.drop-seed",
    title=mark("Take the first boot's disc away"),
    done=mark("free of the first boot's disc"),
    target="vm",
    privileges=("vm.media", "vm.disk", "vm.device"),
    kept=True,
    apart=True,
    of_template="too",
)

KINDS = (DROP_SEED,)
