from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.history import Happening
from vms.models.hosts import Host
from vms.models.pools import StoragePool
from vms.models.schedules import Schedule
from vms.models.users import User
from vms.models.vms import VirtualMachine


class AlertRule(models.Model):
    """What an administrator said of a kind of alert (vms.kinds.alerts); one without a row is as that table says.

    seconds: for how long it must be so; threshold: from where on it counts; each 0 where the kind has none.
    """

    kind = models.CharField(max_length=40, unique=True)
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=10)
    seconds = models.PositiveIntegerField(default=0)
    threshold = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.kind


class AlertSink(models.Model):
    """Where alerts are told outside the dashboard; an administrator's, in whose name they leave the house.

    address: the URL of a webhook, or addresses of mail with commas between them. sealed: the key with which a webhook
    is signed, readable for workers alone. least: of which severity on. failing_since: since when nothing has arrived
    there that was sent, and why (error_code).
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "webhook"
        MAIL = "mail", "mail"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    address = models.TextField()
    sealed = models.TextField(blank=True)
    least = models.CharField(max_length=10)
    enabled = models.BooleanField(default=True)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="alert_sinks")
    sent_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def sealed_for(self) -> str:
        """What its key is bound to: moved to another row it opens nothing."""
        return f"alert-sink:{self.pk}:key"


class Alert(models.Model):
    """Something that is not as it should be, from when it was found (begun_at) until it is so no more (ended_at).

    At most one of host, vm, pool and sink is set, none for the dashboard itself; name: what it was called. schedule:
    the one that it is about, beside its VM where it is of one. subject: that, and which part of it ("host:1:client"):
    one alert is open of each at a time. happening: what began it, where that is one moment, so that it begins once.
    told_at: when it was given to the sinks.
    """

    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=10)
    subject = models.CharField(max_length=600)
    name = models.CharField(max_length=255)
    params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    host = models.ForeignKey(Host, null=True, on_delete=models.CASCADE, related_name="alerts")
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.CASCADE, related_name="alerts")
    pool = models.ForeignKey(StoragePool, null=True, on_delete=models.CASCADE, related_name="alerts")
    sink = models.ForeignKey(AlertSink, null=True, on_delete=models.SET_NULL, related_name="alerts")
    schedule = models.ForeignKey(Schedule, null=True, on_delete=models.SET_NULL, related_name="alerts")
    happening = models.OneToOneField(Happening, null=True, on_delete=models.SET_NULL, related_name="alert")
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=models.Q(ended_at=None), name="one_open_alert_of_a_subject"
            )
        ]
        indexes = [models.Index(fields=["ended_at"]), models.Index(fields=["-begun_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def thing(self) -> str:
        """What it is about as it is announced: "vm:12", "host:1", "pool:3", "" for the dashboard itself."""
        for noun in ("vm", "host", "pool"):
            if pk := getattr(self, f"{noun}_id"):
                return f"{noun}:{pk}"
        return ""


class AlertSilence(models.Model):
    """Until then alerts are noted and neither told nor shown as something to do. kind: "" for every kind; thing: as
    Alert.thing, a host's with all that stands on it, "" for everything."""

    kind = models.CharField(max_length=40, blank=True)
    thing = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    until = models.DateTimeField()
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)

    class Meta:
        ordering = ["until", "pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.thing}"


class AlertDelivery(models.Model):
    """What is to be told of an alert to one sink; the row is the queue. what: "begun", "ended", or "test" without an
    alert. due_at: when a worker tries it (again), None once it is over; error_code: why it did not arrive yet."""

    sink = models.ForeignKey(AlertSink, on_delete=models.CASCADE, related_name="deliveries")
    alert = models.ForeignKey(Alert, null=True, on_delete=models.CASCADE, related_name="deliveries")
    what = models.CharField(max_length=10)
    queued_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["due_at"])]

    def __str__(self) -> str:
        return f"{self.what} to {self.sink_id}"
