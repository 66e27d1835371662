"""The zone in which somebody is told times: one that he chose, or "" for that of his browser."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from django.db import transaction

from vms.errors import BadFields
from vms.models import User
from vms.permissions import Actor
from vms.services import audit


@cache
def names() -> tuple[str, ...]:
    """Those of places, and UTC."""
    places = (name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix", "right")))
    return ("UTC", *sorted(places))


def choose(actor: Actor, name: str) -> None:
    """Tell him times so from now on. Raises BadFields ("time_zone")."""
    if name and name not in names():
        raise BadFields({"time_zone": "choice"})
    with transaction.atomic():
        before = User.objects.select_for_update().get(pk=actor.user.pk).time_zone
        if before != name:
            User.objects.filter(pk=actor.user.pk).update(time_zone=name)
            audit.record("chose:time-zone", actor=actor, **audit.changes({"zone": before}, {"zone": name}))
