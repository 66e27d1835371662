from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db import models
from django.db.models.functions import Lower

from vms.models.hosts import Host
from vms.models.users import User


class State(models.TextChoices):
    """The states of a VM; blocked counts as running (virDomainState)."""

    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    SHUTTING_DOWN = "shutting_down", "shutting down"
    SHUT_OFF = "shut_off", "shut off"
    CRASHED = "crashed", "crashed"
    PMSUSPENDED = "pmsuspended", "sleeping"
    SAVED = "saved", "saved"
    UNKNOWN = "unknown", "unknown"


class VirtualMachine(models.Model):
    """The identity that URLs, grants, history and metrics hold; what a host says of it is its Placement.

    It counts for the quota of the user or the group that it is charged to; one that was found on a host for nobody's.
    trashed_at: in the trash since then (Trashed), where nobody sees it who may not delete it. installs_from: the CD
    that it was made to install from, as its definition names that (Disk.source), "" once it is out or is to stay;
    restarted_at: when it was first seen to start anew since then. templated_at: a template since then (Template), which
    never runs and stands in a list of its own. protected: it may be neither deleted nor forced off.
    """

    name = models.CharField(max_length=255)
    placement = models.OneToOneField("Placement", null=True, on_delete=models.SET_NULL, related_name="current_of")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)
    trashed_at = models.DateTimeField(null=True)
    installs_from = models.CharField(max_length=600, blank=True)
    restarted_at = models.DateTimeField(null=True)
    templated_at = models.DateTimeField(null=True)
    protected = models.BooleanField(default=False)
    charged_user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="charged_vms")
    charged_group = models.ForeignKey(Group, null=True, on_delete=models.SET_NULL, related_name="charged_vms")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(charged_user=None) | models.Q(charged_group=None), name="a_vm_is_charged_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Placement(models.Model):
    """What one host says of one VM; written by the watcher that holds the host's lease, and by nobody else.

    The age of a row is its host's heard_at. search is what the list searches: name, title, description, UUID,
    addresses and MACs in lower case. graphics lists the kinds of screen in the live (else the next-boot) document,
    exposed how others than the dashboard reach one of its screens now ("network no_password"), "" for not at all,
    serials the names of the serial devices on which a console can be opened ("serial0"). waiting: how many changes of
    its definition apply at its next start.
    """

    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="placements")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="placements")
    uuid = models.UUIDField()
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=State, default=State.UNKNOWN)
    state_reason = models.CharField(max_length=40, blank=True)
    state_since = models.DateTimeField(null=True)
    persistent = models.BooleanField(default=True)
    autostart = models.BooleanField(default=False)
    has_managed_save = models.BooleanField(default=False)
    present = models.BooleanField(default=True)
    gone_at = models.DateTimeField(null=True)
    run_id = models.IntegerField(null=True)
    vcpus = models.PositiveIntegerField(default=0)
    memory_kib = models.PositiveBigIntegerField(default=0)
    graphics: models.JSONField[list[str]] = models.JSONField(default=list)
    serials: models.JSONField[list[str]] = models.JSONField(default=list)
    exposed = models.CharField(max_length=40, blank=True)
    addresses: models.JSONField[list[str]] = models.JSONField(default=list)
    search = models.TextField(blank=True)
    waiting = models.PositiveIntegerField(default=0)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_placement_per_host_and_uuid")]
        indexes = [
            models.Index(fields=["host", "present"]),
            models.Index(fields=["uuid"]),
            # The order of the list, whole and filtered: a page is found without looking at the rest.
            models.Index(Lower("name"), name="placement_in_order"),
            models.Index("state", Lower("name"), name="placement_of_state_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"


class Document(models.Model):
    """A placement's definitions, masked; in a table of its own because lists never need them (decisions M10).

    pending: where the live one differs from the other by what a person may have asked for (vms.libvirtxml.pending), as
    JSON; settings: what the other says where only that tells whether somebody did, began: what it said there when the
    run began, {} where nobody saw that. sources: what both name as something to read or write
    (vms.libvirtxml.sources), and what its snapshots name, to tell who uses a volume. kept: what its host keeps beside
    them, by name: "snapshots", "checkpoints"; "sources": what the snapshots name.
    """

    placement = models.OneToOneField(Placement, on_delete=models.CASCADE, related_name="document")
    live = models.TextField(blank=True)
    next_boot = models.TextField(blank=True)
    live_sha256 = models.CharField(max_length=64, blank=True)
    next_boot_sha256 = models.CharField(max_length=64, blank=True)
    facts: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    sources: models.JSONField[list[list[str]]] = models.JSONField(default=list)
    kept: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    pending: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    settings: models.JSONField[dict[str, str]] = models.JSONField(default=dict)
    began: models.JSONField[dict[str, str]] = models.JSONField(default=dict)


class Tag(models.Model):
    """A word on a VM; lives here only, never in the definition."""

    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=50)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vm", "name"], name="a_tag_once_per_vm")]

    def __str__(self) -> str:
        return self.name
