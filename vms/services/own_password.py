"""Whether somebody still signs in with the password that the dashboard made for him."""

from __future__ import annotations

from django.db import transaction

from vms.models import AuditEvent, User
from vms.permissions import Actor
from vms.services import audit

MADE = ("made:administrator", "renewed:password")
CHANGED = "changed:password"
KEPT = "kept:password"


def is_offered(user: User) -> bool:
    """Whether a password was made for the user that he has neither changed nor chosen to keep since."""
    made = AuditEvent.objects.filter(action__in=MADE, facts__name=user.get_username()).first()
    if made is None:
        return False
    return not AuditEvent.objects.filter(user=user, action__in=(CHANGED, KEPT), pk__gt=made.pk).exists()


@transaction.atomic
def keep(actor: Actor) -> None:
    """Offer it no more."""
    audit.record(KEPT, actor=actor)
