"""What a worker does: one function a kind, and the rules that keep every operation from being lost or done twice."""

from __future__ import annotations

from typing import Final

from vms.operations import booting, hardware, hosts, pools, power, secrets
from vms.operations.way import Trial, Way

WAYS: Final[dict[str, Way]] = {
    **power.WAYS,
    **booting.WAYS,
    **hardware.WAYS,
    **hosts.WAYS,
    **pools.WAYS,
    **secrets.WAYS,
}
TRIALS: Final[dict[str, Trial]] = {**hosts.TRIALS, **pools.TRIALS}
KNOWN: Final = (*WAYS, *TRIALS)
