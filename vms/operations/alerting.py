"""Beginning and ending alerts: every worker looks by itself, and the rows see to it that each begins once.

For how long something has been so is counted by this process's own clock from when it first saw it: a wall clock that
jumps makes no alert. A worker that starts anew begins to count anew.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from datetime import datetime
from typing import Final

from cryptography import x509
from django.conf import settings
from django.utils import timezone

from vms.models import Alert, AlertRule, Happening
from vms.services import alert_conditions, alerts
from vms.services.alerts import Found

logger = logging.getLogger(__name__)

SELDOM: Final = 60.0
HOURLY: Final = 3600.0
# A happening may be stored after one with a higher number: it is looked for as long again.
SETTLED: Final = 60.0
PATIENCE: Final = 5.0
# By moments, not by what is so now.
MOMENTS: Final = ("vm_stopped",)

Key = tuple[str, str]


class Alerter:
    """Looks for one worker process, in one thread."""

    def __init__(self) -> None:
        self.since: dict[Key, float] = {}
        self.slow: list[Found] = []
        self.slow_at = self.hourly_at = -HOURLY
        self.own: datetime | None = None
        # Happenings up to seen have been looked at; marks: which was the latest when.
        self.seen: int | None = None
        self.marks: list[tuple[float, int]] = []

    def turn(self) -> None:
        """Bring the alerts up to what is so now, and give what is new to the sinks."""
        rules, now, moment = alerts.rules(), timezone.now(), time.monotonic()
        if moment - self.hourly_at >= HOURLY:
            self.hourly_at = moment
            self.own = own_certificate() or self.own
            alerts.prune(now)
        if moment - self.slow_at >= SELDOM:
            self.slow_at = moment
            self.slow = alert_conditions.seldom(rules, now, self.own)
        self.settle([*alert_conditions.current(rules, now), *self.slow], rules, moment, now)
        self.stops(rules["vm_stopped"], moment, now)
        alerts.tell(now)

    def settle(self, found: list[Found], rules: dict[str, AlertRule], moment: float, now: datetime) -> None:
        """Begin what has been so for long enough, end what is so no more."""
        there = {(each.kind, each.subject): each for each in found}
        self.since = {key: self.since.get(key, moment) for key, each in there.items() if not each.swings}
        standing = Alert.objects.filter(ended_at=None).exclude(kind__in=MOMENTS).select_related("vm", "host", "pool")
        is_open = {(alert.kind, alert.subject): alert for alert in standing}
        for key, alert in is_open.items():
            if key not in there:
                alerts.end(alert, now)
            elif alert.params != dict(there[key].params):
                Alert.objects.filter(pk=alert.pk).update(params=dict(there[key].params))
        for key, since in self.since.items():
            if key not in is_open and moment - since >= rules[key[0]].seconds:
                self.begin(there[key], rules[key[0]])

    def stops(self, rule: AlertRule, moment: float, now: datetime) -> None:
        """Begin what happened, end what is over."""
        for alert in alert_conditions.over():
            alerts.end(alert, now)
        latest = alert_conditions.newest()
        if self.seen is None:
            self.seen = alert_conditions.no_news(now)
        if rule.enabled:
            for happening in alert_conditions.stops_since(self.seen, now):
                self.stopped(happening, rule)
        self.marks.append((moment, latest))
        while self.marks and moment - self.marks[0][0] > SETTLED:
            self.seen = self.marks.pop(0)[1]

    def stopped(self, happening: Happening, rule: AlertRule) -> None:
        if found := alert_conditions.unasked(happening):
            self.begin(found, rule)

    def begin(self, found: Found, rule: AlertRule) -> None:
        if alerts.begin(found, rule):
            logger.info("alert: %s %s", found.kind, found.subject)


def own_certificate() -> datetime | None:
    """Until when the certificate holds that the front shows; None where it shows none, or does not answer."""
    environment = settings.ENVIRONMENT
    if not environment.tls:
        return None
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(environment.bind, environment.bind)
    context = ssl.create_default_context()
    # It is looked at, not believed.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((here, environment.port), timeout=PATIENCE) as plain,
            context.wrap_socket(plain) as shown,
        ):
            told = shown.getpeercert(binary_form=True)
    except OSError as error:
        logger.info("the front's certificate is not known: %r", error)
        return None
    return x509.load_der_x509_certificate(told).not_valid_after_utc if told else None
