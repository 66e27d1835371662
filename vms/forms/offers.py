"""What is entered of a folder or a kernel that is offered to VMs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from vms.forms.groups import Refusable
from vms.models import Host
from vms.services.host_paths import LONGEST as LONGEST_PATH
from vms.services.offers import LONGEST


class Wish(Refusable):
    """A folder, or a kernel with what goes with it, on one of the hosts."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Offer"),
        choices=[
            ("folder", gettext_lazy("a folder, which VMs may read")),
            ("writable", gettext_lazy("a folder, which VMs may change")),
            ("netboot", gettext_lazy("a kernel to start from")),
        ],
    )
    host = forms.ChoiceField(label=gettext_lazy("Host"))
    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST)
    path = forms.CharField(label=gettext_lazy("Path on the host"), max_length=LONGEST_PATH)
    initrd = forms.CharField(
        label=gettext_lazy("Initrd"),
        max_length=LONGEST_PATH,
        required=False,
        help_text=gettext_lazy("Of a kernel only."),
    )
    again = forms.CharField(
        label=gettext_lazy("Path again"),
        max_length=LONGEST_PATH,
        required=False,
        help_text=gettext_lazy("Only for a folder that is the host's own, such as /etc."),
    )

    def __init__(self, data: Any, hosts: QuerySet[Host]) -> None:
        super().__init__(data)
        field = self.fields["host"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - what the class says above
        field.choices = known = [(str(host.pk), host.name) for host in hosts.order_by("name", "pk")]
        if len(known) == 1:
            field.widget = forms.HiddenInput()
            field.initial = known[0][0]
