"""What is entered of a quota; memory and disks in GiB."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy

from vms.errors import BadFields
from vms.models import Quota, User
from vms.services.quotas import Subject
from vms.services.sentences import field_sentence

# How many of the resource's own unit are one of the form's.
UNITS: Final = {"vms": 1, "vcpus": 1, "memory_kib": 1 << 20, "disk_bytes": 1 << 30, "snapshots": 1}


def limit(label: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=0)


class Limits(forms.Form):
    """The most of each resource for a user or a group; an empty field is no limit."""

    kind = forms.ChoiceField(
        label=gettext_lazy("For"), choices=[("user", gettext_lazy("a user")), ("group", gettext_lazy("a group"))]
    )
    to = forms.CharField(label=gettext_lazy("Name"), max_length=150)
    vms = limit(gettext_lazy("VMs"))
    vcpus = limit(gettext_lazy("Processors"))
    memory_kib = limit(gettext_lazy("Memory, GiB"))
    disk_bytes = limit(gettext_lazy("Disks, GiB"))
    snapshots = limit(gettext_lazy("Snapshots"))

    def subject(self) -> Subject:
        """Whose quota it is; only after is_valid(). Raises BadFields where nobody is called so."""
        kind, name = self.cleaned_data["kind"], self.cleaned_data["to"]
        found: Subject | None = (
            User.objects.filter(username=name).first() if kind == "user" else Group.objects.filter(name=name).first()
        )
        if found is None:
            raise BadFields({"to": f"unknown_{kind}"})
        return found

    def limits(self) -> dict[str, int | None]:
        """The limits in the resources' own units; only after is_valid()."""
        given = self.cleaned_data
        return {name: None if given[name] is None else given[name] * unit for name, unit in UNITS.items()}

    def refuse(self, refused: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in refused.errors.items():
            self.add_error(name, field_sentence(code))


def initial(quota: Quota) -> dict[str, Any]:
    """What stands in the form for a quota that is there; less than a whole GiB is told as one."""
    limits = {name: getattr(quota, name) for name in UNITS}
    return {
        "kind": "user" if quota.user else "group",
        "to": str(quota.user or quota.group),
        **{name: value if value is None else -(-value // UNITS[name]) for name, value in limits.items()},
    }
