"""Where alerts are told outside the dashboard: webhooks and mail, which administrators set.

A webhook's address may hold a secret and is sealed together with the key that signs (services.sealing): the web process
shows its machine, and workers alone read the rest.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from vms import live
from vms.errors import BadFields, NotAllowed, OutboundRefused
from vms.kinds.alerts import SEVERITIES
from vms.models import AlertDelivery, AlertSink
from vms.permissions import Actor, Who, may, require
from vms.services import audit
from vms.services.addresses import PORTS, WebAddress, parse
from vms.services.sealing import seal

PRIVILEGE: Final = "settings.admin"
LONGEST_NAME: Final = 60
LONGEST_ADDRESS: Final = 1000
# Each hanging one holds a thread of a worker's.
MOST: Final = 16
MOST_PEOPLE: Final = 10
SHOWN: Final = 10


def find_sinks(who: Who) -> QuerySet[AlertSink]:
    """All. Raises NotAllowed; however old the sign-in is, since nothing secret is shown."""
    if not may(who, PRIVILEGE):
        raise NotAllowed(privilege=PRIVILEGE)
    return AlertSink.objects.select_related("owner")


def get_sink_or_404(who: Who, pk: int) -> AlertSink:
    """Raises NotAllowed, Http404."""
    found = find_sinks(who).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def latest(sink: AlertSink) -> list[AlertDelivery]:
    """The last deliveries to it."""
    return list(sink.deliveries.select_related("alert")[:SHOWN])


def sends_mail() -> bool:
    """Whether the site has a server that takes mail."""
    return settings.ENVIRONMENT.smtp is not None


def add(actor: Actor, values: Mapping[str, Any]) -> tuple[AlertSink, str]:
    """A new one of that name, kind, address and least severity, and the key with which a webhook is signed: nobody can
    read that again. Raises NotAllowed, NotFresh, BadFields by these names."""
    require(actor, PRIVILEGE)
    kind = values.get("kind", "")
    faults = wrong(kind, values)
    if AlertSink.objects.count() >= MOST:
        faults["name"] = "sink_many"
    if faults:
        raise BadFields(faults)
    sink = AlertSink(name=values["name"], kind=kind, least=values["least"], owner=actor.user)
    key = new_key() if kind == AlertSink.Kind.WEBHOOK else ""
    with transaction.atomic():
        save(sink)
        put(sink, values["address"], key)
        audit.record("added:alert-sink", actor=actor, sink=sink.name, kind=kind, to=sink.address, least=sink.least)
    live.announce(["alert:0"])
    return sink, key


def change(actor: Actor, sink: AlertSink, values: Mapping[str, Any]) -> str:
    """Another name, address, least severity, or whether it is used (enabled), as many as are given; it is told in this
    one's name from now on. The key of a webhook where that is a new one, as it is with a new address: who knows the old
    one's must not sign for the new one. Raises NotAllowed, NotFresh, BadFields by these names."""
    require(actor, PRIVILEGE)
    names = ("name", "least", "enabled")
    was = {**{name: getattr(sink, name) for name in names}, "address": sink.address}
    now = {**was, **{name: values[name] for name in names if values.get(name) is not None}}
    address = values.get("address") or ""
    if faults := wrong(sink.kind, {**now, "address": address or None}):
        raise BadFields(faults)
    key = new_key() if address and sink.kind == AlertSink.Kind.WEBHOOK else ""
    with transaction.atomic():
        for name in names:
            setattr(sink, name, now[name])
        sink.owner = actor.user
        save(sink, "name", "least", "enabled", "owner")
        if not sink.enabled:
            # Nobody is told tomorrow of today.
            AlertDelivery.objects.filter(sink=sink, due_at__isnull=False).update(due_at=None)
            AlertSink.objects.filter(pk=sink.pk).update(failing_since=None, error_code="")
        if address:
            put(sink, address, key)
        now["address"] = sink.address
        audit.record("changed:alert-sink", actor=actor, sink=sink.name, **audit.changes(was, now))
    live.announce(["alert:0"])
    return key


def remove(actor: Actor, sink: AlertSink) -> None:
    """Nothing more is told there. Raises NotAllowed, NotFresh, Http404 where somebody was faster."""
    require(actor, PRIVILEGE)
    with transaction.atomic():
        deleted, _ = AlertSink.objects.filter(pk=sink.pk).delete()
        if not deleted:
            raise Http404
        audit.record("removed:alert-sink", actor=actor, sink=sink.name, to=sink.address)
    live.announce(["alert:0"])


def test(actor: Actor, sink: AlertSink) -> AlertDelivery:
    """Have a worker send something there that is marked as a test. Raises NotAllowed, NotFresh."""
    require(actor, PRIVILEGE)
    now = timezone.now()
    with transaction.atomic():
        made = AlertDelivery.objects.create(sink=sink, what="test", queued_at=now, due_at=now)
        audit.record("tested:alert-sink", actor=actor, sink=sink.name)
    return made


def new_key() -> str:
    return secrets.token_urlsafe(32)


def put(sink: AlertSink, address: str, key: str) -> None:
    """Store the address, and what of it is a secret for workers alone."""
    if sink.kind == AlertSink.Kind.MAIL:
        sink.address = ", ".join(people(address))
    else:
        sink.address = shown(parse(address))
        sink.sealed = seal(json.dumps({"url": address, "key": key}), sink.sealed_for)
    AlertSink.objects.filter(pk=sink.pk).update(
        address=sink.address, sealed=sink.sealed, failing_since=None, error_code=""
    )  # fmt: skip


def save(sink: AlertSink, *columns: str) -> None:
    """All of it, or these columns: workers write the others. Raises BadFields where its name is taken."""
    try:
        with transaction.atomic():
            sink.save(update_fields=columns or None)
    except IntegrityError as error:
        raise BadFields({"name": "sink_taken"}) from error


def shown(address: WebAddress) -> str:
    """What is shown of it: whom it leads to. What follows may be a secret."""
    return f"{address.scheme}://{address.authority}/{'…' if address.target != '/' else ''}"


def people(address: str) -> list[str]:
    return [part.strip() for part in address.split(",") if part.strip()]


def wrong(kind: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The code of each value that does not fit; an address of None is not looked at."""
    name, address = values.get("name") or "", values.get("address")
    faults = {}
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()):
        faults["name"] = "sink_name" if name else "missing"
    if values.get("least") not in SEVERITIES:
        faults["least"] = "alert_severity"
    if kind not in AlertSink.Kind.values:
        faults["kind"] = "sink_kind"
    elif address is not None and (code := (wrong_people if kind == "mail" else wrong_url)(address)):
        faults["address"] = code
    return faults


def wrong_people(address: str) -> str:
    """Why no mail can be sent there, "" where it can."""
    if not sends_mail():
        return "sink_no_mail"
    found = people(address)
    if not 0 < len(found) <= MOST_PEOPLE or len(address) > LONGEST_ADDRESS:
        return "sink_people"
    try:
        for one in found:
            EmailValidator()(one)
    except ValidationError:
        return "sink_people"
    return ""


def wrong_url(address: str) -> str:
    """Why nothing is sent there, as far as the address itself tells; whom its name leads to, workers look at."""
    try:
        found = parse(address)
    except OutboundRefused:
        return "sink_url"
    if len(address) > LONGEST_ADDRESS:
        return "sink_url"
    named = (found.host, found.port), *([(found.host, 0)] if found.port == PORTS[found.scheme] else [])
    # What crosses the internet in the clear is read and kept back by whoever lies on the way.
    if found.scheme != "https" and not set(named) & set(settings.ENVIRONMENT.outbound_allow):
        return "sink_https"
    return ""
