"""What is entered of a size."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from vms.errors import BadFields
from vms.services.sentences import field_sentence


class SizeFields(forms.Form):
    """Its name and how large it is; the service says what does not fit."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=40, strip=False)
    vcpus = forms.IntegerField(label=gettext_lazy("vCPUs"))
    memory_mib = forms.IntegerField(label=gettext_lazy("Memory, MiB"))
    disk_gib = forms.IntegerField(label=gettext_lazy("Disk, GiB"))

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(name, field_sentence(code))
