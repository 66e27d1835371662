from __future__ import annotations

from functools import reduce
from operator import and_, or_

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

from vms.models.hosts import Host
from vms.models.networks import Network
from vms.models.pools import StoragePool
from vms.models.users import User
from vms.models.vms import VirtualMachine


class Role(models.Model):
    """A named set of privileges. The fixed ones are those of vms.kinds.privileges, made anew after each migration."""

    name = models.CharField(max_length=50, unique=True)
    fixed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class RolePrivilege(models.Model):
    """A privilege that the role holds."""

    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="privileges")
    name = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "name"], name="a_privilege_once_per_role")]

    def __str__(self) -> str:
        return self.name


# What a grant may be on, each with the value that says that it is not on that.
ON = {
    "everything": False, "host": None, "pool": None, "network": None, "vm": None, "tag": "", "name": "", "prefix": "",
}  # fmt: skip


def exactly(chosen: str) -> Q:
    """On this and on nothing else."""
    return reduce(and_, (~Q(**{field: no}) if field == chosen else Q(**{field: no}) for field, no in ON.items()))


class Grant(models.Model):
    """(a user or a group) x a role x (everything, a host, a pool, a network, a VM, the VMs with a tag, of a name, of
    names that begin so).

    On a host it counts for all that is there, on everything for all hosts. It is in force until ends_at.
    Names are compared sign by sign, case included. granted_by gave it, and is kept for who looks after grants.
    """

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="grants")
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="grants")
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="grants")
    everything = models.BooleanField(default=False)
    host = models.ForeignKey(Host, null=True, on_delete=models.CASCADE, related_name="grants")
    pool = models.ForeignKey(StoragePool, null=True, on_delete=models.CASCADE, related_name="grants")
    network = models.ForeignKey(Network, null=True, on_delete=models.CASCADE, related_name="grants")
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.CASCADE, related_name="grants")
    tag = models.CharField(max_length=50, blank=True)
    name = models.CharField(max_length=255, blank=True)
    prefix = models.CharField(max_length=255, blank=True)
    ends_at = models.DateTimeField(null=True)
    granted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group=None) | Q(user=None, group__isnull=False),
                name="a_grant_is_to_a_user_or_a_group",
            ),
            models.CheckConstraint(condition=reduce(or_, map(exactly, ON)), name="a_grant_is_on_one_thing"),
        ]

    def __str__(self) -> str:
        return f"{self.role_id} to {self.user_id or f'group {self.group_id}'} on {self.on}"

    @property
    def on(self) -> str:
        """Which of those it is on: "everything", "host", "pool", "network", "vm", "tag", "name", "prefix"."""
        return next(name for name, no in ON.items() if getattr(self, f"{name}_id" if no is None else name))
