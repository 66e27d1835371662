"""Telling alerts to sinks: each row of a delivery is tried until it arrived, or often enough, by whichever worker.

A sink that hangs holds a thread of its own and nothing else: neither operations nor other sinks wait for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import smtplib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from vms import live
from vms.errors import OutboundBroken, OutboundRefused, SecretUnreadable
from vms.models import AlertDelivery, AlertSink
from vms.operations.work import key_file
from vms.permissions import visible_alerts
from vms.services import alert_sinks, alert_words, outbound
from vms.virt import unseal

logger = logging.getLogger(__name__)

# After each failure; then it is given up.
PAUSES: Final = (10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600)
# How long a webhook may take for all of it.
SECONDS: Final = 10.0
# A worker that took one and died: it is tried again. Longer than a try can last with all that is asked of resolvers.
LEASE: Final = timedelta(minutes=3)


class NotSent(Exception):
    """It did not arrive; the code says why."""


class Sender:
    """Sends for one worker process."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(alert_sinks.MOST, "sink")
        self.busy: set[int] = set()
        self.lock = threading.Lock()

    def turn(self) -> None:
        """Begin what is due, one at a time for each sink."""
        for delivery in due():
            with self.lock:
                if delivery.sink_id in self.busy:
                    continue
                self.busy.add(delivery.sink_id)
            if claim(delivery):
                self.pool.submit(self.in_pool, delivery)
            else:
                self.busy.discard(delivery.sink_id)

    def in_pool(self, delivery: AlertDelivery) -> None:
        try:
            attempt(delivery)
        except Exception:
            logger.exception("alert delivery %s was given up for now", delivery.pk)
        finally:
            self.busy.discard(delivery.sink_id)
            connection.close()


def due() -> list[AlertDelivery]:
    """What is to be sent now, the oldest first, never an end before its beginning. What is due later than anything can
    be is from before the clock was set back."""
    before = AlertDelivery.objects.filter(
        sink=OuterRef("sink"), alert=OuterRef("alert"), pk__lt=OuterRef("pk"), due_at__isnull=False
    )
    now = timezone.now()
    late = Q(due_at__lte=now) | Q(due_at__gt=now + timedelta(seconds=PAUSES[-1]) + LEASE)
    rows = AlertDelivery.objects.filter(late, ~Exists(before)).order_by("pk")
    return list(rows.select_related("sink__owner", "alert__vm", "alert__host", "alert__pool")[:100])


def claim(delivery: AlertDelivery) -> bool:
    """Whether it is this worker's to try."""
    mine = AlertDelivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at)
    delivery.attempts += 1
    return bool(mine.update(due_at=timezone.now() + LEASE, attempts=F("attempts") + 1))


def attempt(delivery: AlertDelivery) -> None:
    """Send it, and note what became of that."""
    code = ""
    try:
        send(delivery)
    except NotSent as error:
        code = str(error)
        logger.warning("alert delivery %s to %s: %s", delivery.pk, delivery.sink.name, code)
    sink = AlertSink.objects.filter(pk=delivery.sink_id)
    row = AlertDelivery.objects.filter(pk=delivery.pk)
    with transaction.atomic():
        if not code:
            row.update(due_at=None, sent_at=timezone.now(), error_code="")
            sink.update(sent_at=timezone.now(), failing_since=None, error_code="")
        else:
            # Whoever tries it looks at the answer; what is not told for a day is no news.
            last = delivery.what == "test" or delivery.attempts > len(PAUSES)
            pause = None if last else timezone.now() + timedelta(seconds=PAUSES[delivery.attempts - 1])
            row.update(due_at=pause, error_code=code)
            if delivery.what != "test":
                sink.update(failing_since=Coalesce("failing_since", Now()), error_code=code)
        live.announce(["alert:0"])


def send(delivery: AlertDelivery) -> None:
    """Raises NotSent."""
    sink, alert = delivery.sink, delivery.alert
    owner = sink.owner
    if owner is None or not owner.is_active or not owner.is_administrator:
        raise NotSent("owner")
    if alert and not visible_alerts(owner).filter(pk=alert.pk).exists():
        raise NotSent("owner")
    if sink.kind == AlertSink.Kind.MAIL:
        send_mail(delivery)
    else:
        call(delivery)


def link() -> str:
    """The page of the alerts, where the site has said by which address people come."""
    base = settings.ENVIRONMENT.base_url
    return f"{base}/alerts/" if base else ""


def send_mail(delivery: AlertDelivery) -> None:
    if not alert_sinks.sends_mail():
        raise NotSent("mail_unset")
    alert, what = delivery.alert, delivery.what
    subject, text = alert_words.test_mail(link())
    if alert:
        subject, text = alert_words.subject_line(alert, what), alert_words.body(alert, what, link())
    message = EmailMessage(
        subject, text, to=alert_sinks.people(delivery.sink.address), headers={"Auto-Submitted": "auto-generated"}
    )
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        logger.info("mail: %r", error)
        raise NotSent("mail") from error


def call(delivery: AlertDelivery) -> None:
    sink = delivery.sink
    try:
        secret = json.loads(unseal(sink.sealed, sink.sealed_for, key_file()))
    except SecretUnreadable as error:
        raise NotSent("secret_unreadable") from error
    body = json.dumps(payload(delivery), ensure_ascii=False).encode()
    try:
        status = outbound.post(secret["url"], body, headers(delivery, secret["key"], body), seconds=SECONDS)
    except OutboundRefused as error:
        raise NotSent("outbound_refused") from error
    except OutboundBroken as error:
        raise NotSent("outbound_broken") from error
    if status // 100 != 2:
        raise NotSent(f"answer_{status // 100}")


def headers(delivery: AlertDelivery, key: str, body: bytes) -> dict[str, str]:
    """What the receiver tells by that it is ours, and new: the signature is over the time and the body."""
    at = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "Kvmweb-Delivery": str(delivery.pk),
        "Kvmweb-Timestamp": at,
        "Kvmweb-Signature": f"sha256={signature(key, at, body)}",
    }


def signature(key: str, at: str, body: bytes) -> str:
    return hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def payload(delivery: AlertDelivery) -> dict[str, Any]:
    """What a webhook is told."""
    told: dict[str, Any] = {"delivery": delivery.pk, "what": delivery.what, "alert": None, "link": link()}
    if alert := delivery.alert:
        noun, _, pk = alert.thing.partition(":")
        told["alert"] = {
            "id": alert.pk,
            "kind": alert.kind,
            "title": alert_words.alert_title(alert.kind),
            "severity": alert.severity,
            "of": {"kind": noun, "id": int(pk), "name": alert.name} if noun else None,
            "detail": alert_words.whole_sentence(alert),
            "begun_at": alert.begun_at.isoformat(),
            "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
        }
    return told
