"""What was to be made and was not: its row goes, so that nothing is left of it but what its operation tells."""

from __future__ import annotations

from typing import Final

from vms import live
from vms.kinds import KINDS
from vms.models import Operation, OperationState, VirtualMachine

# With these it is certain that nothing of it is there.
CERTAIN: Final = (OperationState.FAILED, OperationState.CANCELLED, OperationState.REFUSED)


def forget(operation: Operation, state: OperationState) -> None:
    """In the transaction in which the operation ends so."""
    kind = KINDS.get(operation.kind)
    if kind and kind.makes and state in CERTAIN:
        VirtualMachine.objects.filter(pk=operation.target_id, operations=operation.pk).delete()
        live.announce(["vms:*"])
