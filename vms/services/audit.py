"""What people did: one row in the same commit as the change that it tells."""

from __future__ import annotations

from typing import Any

from vms.models import AuditEvent, Host, VirtualMachine
from vms.permissions import Actor


def record(
    action: str,
    *,
    actor: Actor | None = None,
    target: VirtualMachine | Host | None = None,
    address: str = "",
    **facts: Any,
) -> None:
    """Write it; facts never hold a secret."""
    AuditEvent.objects.create(
        user=actor.user if actor else None,
        user_name=actor.user.get_username() if actor else "",
        address=actor.address if actor else address,
        action=action,
        target=f"{'vm' if isinstance(target, VirtualMachine) else 'host'}:{target.pk}" if target else "",
        target_name=target.name if target else "",
        facts=facts,
    )
