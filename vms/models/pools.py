from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.users import User
from vms.models.vms import VirtualMachine


class Storage(models.Model):
    """What the bytes are, over all hosts: one NFS export or Ceph pool is a StoragePool on each of twenty hosts.

    kind and source: libvirt's type of pool and what it takes the bytes from, written in one way; a folder or a disk
    of a host is that host's own, unless an administrator says that two are one. trusted: an administrator says that
    nobody else writes in it, so that what is found there is what it seems to be (docs/decisions/0064).
    """

    kind = models.CharField(max_length=20, blank=True)
    source = models.TextField(blank=True)
    trusted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "source"], condition=~models.Q(source=""), name="one_storage_per_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source}"


class StoragePool(models.Model):
    """A place for disks on one host, as that host names it; present as long as the host lists it.

    by_hand: which storage it is was said by an administrator, and holds until what it is made of changes. path: where
    its volumes are on that host; "" where they are no files. Sizes in bytes, 0 while it is not active.
    document: its definition, without secrets. refreshed_at: when the host last looked through it.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="pools")
    storage = models.ForeignKey(Storage, on_delete=models.PROTECT, related_name="pools")
    by_hand = models.BooleanField(default=False)
    uuid = models.UUIDField()
    name = models.CharField(max_length=255)
    present = models.BooleanField(default=True)
    type = models.CharField(max_length=20, blank=True)
    path = models.TextField(blank=True)
    active = models.BooleanField(default=False)
    autostart = models.BooleanField(default=False)
    persistent = models.BooleanField(default=True)
    capacity_bytes = models.PositiveBigIntegerField(default=0)
    allocation_bytes = models.PositiveBigIntegerField(default=0)
    available_bytes = models.PositiveBigIntegerField(default=0)
    document = models.TextField(blank=True)
    refreshed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_pool_per_host_and_uuid")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """One of which nothing more is known yet is a storage by itself."""
        if getattr(self, "storage_id", None) is None:
            self.storage = Storage.objects.create()
        super().save(*args, **kwargs)


class Volume(models.Model):
    """What somebody keeps in a storage: it belongs to the VMs that use it, without one to its owner, else to nobody but
    who may do anything in the pool (vms.permissions.volumes). capacity_bytes: as large as it can become.

    format is ours to remember: recorded when it is made or accepted, or taken from the VM that uses it; told_format
    is what the pool says, which a guest can forge. kind: libvirt's (file, block, dir, network, netdir). origin: how
    it is known that a file is one; known_bytes and known_at: its size and the time in it when that became known.
    backing: what it is a layer over; backing_path: the same as the host tells it, also where that is no volume of
    ours. refusal: why its header is refused, a code. last_vm: which used it last, where none does any more. private:
    it holds secrets of its VM's (a Seed), and is shown and given to nobody.
    """

    class State(models.TextChoices):
        READY = "ready", "ready"
        # Being made or uploaded: in no picker, nobody else's to touch.
        INCOMPLETE = "incomplete", "incomplete"
        # Its header was not looked at yet: neither attached, nor copied, nor downloaded, nor a backing file.
        QUARANTINE = "quarantine", "quarantine"
        REFUSED = "refused", "refused"

    class Origin(models.TextChoices):
        # By an operation.
        MADE = "made", "made"
        # By whoever put it there: perhaps a link to any file of the host.
        FOUND = "found", "found"
        # A VM's own definition names it, which only root writes.
        ADOPTED = "adopted", "adopted"
        # An administrator has looked.
        VOUCHED = "vouched", "vouched"

    storage = models.ForeignKey(Storage, on_delete=models.CASCADE, related_name="volumes")
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, default="file")
    path = models.TextField(blank=True)
    format = models.CharField(max_length=20, blank=True)
    told_format = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.READY)
    refusal = models.CharField(max_length=40, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.MADE)
    known_bytes = models.PositiveBigIntegerField(null=True)
    known_at = models.DateTimeField(null=True)
    capacity_bytes = models.PositiveBigIntegerField(default=0)
    allocation_bytes = models.PositiveBigIntegerField(default=0)
    backing = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="layers")
    backing_path = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    present = models.BooleanField(default=True)
    changed_at = models.DateTimeField(null=True)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="volumes")
    vms = models.ManyToManyField(VirtualMachine, related_name="volumes")
    last_vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.SET_NULL, related_name="left_volumes")
    private = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["storage", "name"], name="one_volume_per_storage_and_name")]

    def __str__(self) -> str:
        return f"{self.name} in {self.storage_id}"

    @property
    def is_found(self) -> bool:
        """Whether it may be a link to any file of the host: an entry of a folder that nobody here made, and for which
        nobody has vouched. What lies in no folder is named by what manages it."""
        return self.kind == "file" and self.origin == self.Origin.FOUND and not self.storage.trusted

    @property
    def is_swapped(self) -> bool:
        """Whether another file has come in its place: one that was written before it was known, or is larger or smaller
        than a raw disk that only we let grow."""
        if self.kind != "file" or self.origin == self.Origin.FOUND or self.state != self.State.READY:
            return False
        older = self.known_at and self.changed_at and self.changed_at < self.known_at
        # Where a guest wrote another format's header, the size that is told is what that header says.
        plain = self.format == "raw" and self.told_format in ("", "raw", "iso")
        other = plain and self.known_bytes not in (None, self.capacity_bytes)
        return bool(older or other) and not self.storage.trusted
