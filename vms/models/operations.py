from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.networks import Network
from vms.models.pools import StoragePool, Volume
from vms.models.users import ApiToken, User
from vms.models.vms import VirtualMachine


class OperationState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    WAITING = "waiting", "waiting"
    CANCELLING = "cancelling", "cancelling"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"
    SUPERSEDED = "superseded", "superseded"
    REFUSED = "refused", "refused"
    UNKNOWN = "unknown", "unknown"


OPEN_STATES = ("queued", "running", "waiting", "cancelling")


class Worker(models.Model):
    """A worker process; beat_at is the database's clock, every 2 s from a thread of its own."""

    name = models.CharField(max_length=255)
    node = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


class Operation(models.Model):
    """Work that a person asked for; the row is the queue, a Celery message only a knock.

    Every transition is one conditional UPDATE on (id, state, worker): 0 rows means that somebody else decided.
    before holds the facts as they were at the claim, which reconciling compares with what is (Kind's evidence).
    waits_until: asked for while its host was silent; it is not claimed before the host is heard, and not after this.
    batch: what was asked for in one stroke, by somebody who ticked several things. host: where it is done, whatever
    the target is. sealed: the kind's secrets as JSON, for the processes that reach hosts alone; emptied at its end.
    """

    kind = models.CharField(max_length=60)
    version = models.PositiveSmallIntegerField(default=1)
    actor_user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="operations")
    actor_name = models.CharField(max_length=150)
    actor_session = models.CharField(max_length=40, blank=True)
    actor_token = models.ForeignKey(ApiToken, null=True, on_delete=models.SET_NULL, related_name="+")
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="children")
    target_kind = models.CharField(max_length=10)
    target_id = models.PositiveBigIntegerField()
    target_name = models.CharField(max_length=255)
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.SET_NULL, related_name="operations")
    host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="operations")
    pool = models.ForeignKey(StoragePool, null=True, on_delete=models.SET_NULL, related_name="operations")
    volume = models.ForeignKey(Volume, null=True, on_delete=models.SET_NULL, related_name="operations")
    network = models.ForeignKey(Network, null=True, on_delete=models.SET_NULL, related_name="operations")
    node = models.CharField(max_length=255)
    queue = models.CharField(max_length=10)
    state = models.CharField(max_length=12, choices=OperationState, default=OperationState.QUEUED)
    params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    sealed = models.TextField(blank=True)
    before: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    result: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    error_code = models.CharField(max_length=40, blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    details = models.TextField(blank=True)
    progress = models.PositiveSmallIntegerField(null=True)
    cancel_requested = models.BooleanField(default=False)
    superseded_by = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    worker = models.ForeignKey(Worker, null=True, on_delete=models.SET_NULL, related_name="operations")
    idempotency_key = models.CharField(max_length=100, null=True)
    waits_until = models.DateTimeField(null=True)
    batch = models.UUIDField(null=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    waiting_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "queue", "node"]),
            models.Index(fields=["vm", "-id"]),
            models.Index(fields=["host", "-id"]),
            models.Index(fields=["target_kind", "target_id"]),
            models.Index(fields=["batch"]),
        ]
        constraints = [
            models.UniqueConstraint(fields=["actor_user", "idempotency_key"], name="one_operation_per_idempotency_key")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.target_name} ({self.state})"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def target(self) -> VirtualMachine | Volume | StoragePool | Network | Host | None:
        """What it is done to; the host of what is gone meanwhile."""
        return self.vm or self.volume or self.pool or self.network or self.host

    @property
    def sealed_for(self) -> str:
        """What its secrets are bound to."""
        return f"operation:{self.pk}:secrets"


class OperationLock(models.Model):
    """What an operation holds while it is queued or runs: "vm:12", "host:2"; a start also "uuid:..." over all hosts."""

    key = models.CharField(max_length=100, unique=True)
    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="locks")

    def __str__(self) -> str:
        return self.key


class OperationLog(models.Model):
    """One line of an operation's log: a code and its parameters; the sentence is made where it is read."""

    class Level(models.TextChoices):
        INFO = "info", "info"
        WARNING = "warning", "warning"
        ERROR = "error", "error"

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=10, choices=Level, default=Level.INFO)
    code = models.CharField(max_length=40)
    params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
