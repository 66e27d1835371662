from __future__ import annotations

from functools import reduce
from operator import or_

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

from vms.models.operations import Operation
from vms.models.users import User

RESOURCES = ("vms", "vcpus", "memory_kib", "disk_bytes", "snapshots")
ONE_SUBJECT = Q(user__isnull=False, group=None) | Q(user=None, group__isnull=False)


class Quota(models.Model):
    """The most that may be charged to a user or a group; None is no limit. vcpus and memory_kib are the most that the
    VMs may use, disk_bytes what their disks can become."""

    user = models.OneToOneField(User, null=True, on_delete=models.CASCADE, related_name="quota")
    group = models.OneToOneField(Group, null=True, on_delete=models.CASCADE, related_name="quota")
    vms = models.PositiveIntegerField(null=True)
    vcpus = models.PositiveIntegerField(null=True)
    memory_kib = models.PositiveBigIntegerField(null=True)
    disk_bytes = models.PositiveBigIntegerField(null=True)
    snapshots = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=ONE_SUBJECT, name="a_quota_is_of_a_user_or_a_group"),
            models.CheckConstraint(
                condition=reduce(or_, (Q(**{f"{name}__isnull": False}) for name in RESOURCES)),
                name="a_quota_limits_something",
            ),
        ]

    def __str__(self) -> str:
        return f"of {self.user_id or f'group {self.group_id}'}"


class Reservation(models.Model):
    """What an operation is about to take of a resource. It counts as long as the operation is open: what it made is in
    the inventory when it ends, and what it did not make is nowhere."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="reservations")
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="reservations")
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="reservations")
    resource = models.CharField(max_length=10, choices=[(name, name) for name in RESOURCES])
    amount = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=ONE_SUBJECT, name="a_reservation_is_of_a_user_or_a_group"),
            models.UniqueConstraint(fields=["operation", "resource"], name="a_resource_once_per_operation"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.resource} for {self.operation_id}"
