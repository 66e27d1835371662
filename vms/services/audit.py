"""What people did: one row in the same commit as the change that it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vms.models import AuditEvent, Host, Network, Operation, StoragePool, VirtualMachine, Volume
from vms.permissions import Actor

Target = VirtualMachine | Host | StoragePool | Volume | Network
NOUNS: Final[dict[type, str]] = {
    VirtualMachine: "vm", Host: "host", StoragePool: "pool", Volume: "volume", Network: "network",
}  # fmt: skip
# Stands for what nobody may read again.
SECRET: Final = "(secret)"  # noqa: S105 - what is shown in its place


def record(
    action: str,
    *,
    actor: Actor | None = None,
    target: Target | None = None,
    address: str = "",
    **facts: Any,
) -> None:
    """Write it; facts never hold a secret."""
    AuditEvent.objects.create(
        user=actor.user if actor else None,
        user_name=actor.user.get_username() if actor else "",
        token=actor.token.prefix if actor and actor.token else "",
        address=actor.address if actor else address,
        action=action,
        target=f"{NOUNS[type(target)]}:{target.pk}" if target else "",
        target_name=target.name if target else "",
        facts=facts,
    )


def record_end(operation: Operation, state: str, error: str = "") -> None:
    """Write what became of what somebody asked for."""
    AuditEvent.objects.create(
        user_id=operation.actor_user_id,
        user_name=operation.actor_name,
        action=f"ended:{operation.kind}",
        target=f"{operation.target_kind}:{operation.target_id}",
        target_name=operation.target_name,
        facts={"operation": operation.pk, "state": state, **({"error": error} if error else {})},
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a change: what differs, as it was and as it is; secrets come as SECRET, or not at all."""
    changed = sorted(name for name in before if before[name] != after[name])
    return {
        "before": {name: before[name] for name in changed},
        "after": {name: after[name] for name in changed},
    }  # fmt: skip
