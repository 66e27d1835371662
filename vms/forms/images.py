"""What is entered to fetch an image, and to copy one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from vms.errors import BadFields
from vms.models import StoragePool
from vms.permissions import Who, seen_hosts
from vms.services.sentences import field_sentence


class Into(forms.Form):
    """The pool that it goes into, one of those that are given."""

    pool = forms.ChoiceField(label=gettext_lazy("Into"))

    def __init__(self, pools: Iterable[StoragePool], who: Who, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pools = {str(pool.pk): pool for pool in pools}
        seen = seen_hosts(who, [pool.host for pool in self.pools.values()])
        self.fields["pool"].choices = [  # type: ignore[attr-defined]
            (pk, f"{pool.name} · {pool.host.name}" if pool.host_id in seen else pool.name)
            for pk, pool in self.pools.items()
        ]
        if len(self.pools) == 1:
            # Nobody is to choose where there is one alone.
            self.fields["pool"].widget = forms.HiddenInput()
            self.fields["pool"].initial = next(iter(self.pools))

    @property
    def only(self) -> str:
        """The one into which it goes, where nobody is asked."""
        choices = self.fields["pool"].choices  # type: ignore[attr-defined]
        return str(choices[0][1]) if len(choices) == 1 else ""

    def chosen(self) -> StoragePool:
        """The pool; only after is_valid()."""
        return self.pools[self.cleaned_data["pool"]]

    def refuse(self, refused: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in refused.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))


class Fetch(Into):
    """An image from an address."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=2000,
        help_text=gettext_lazy("http or https, on the internet; a disk (qcow2, raw) or an ISO that is not packed."),
    )
    checksum = forms.CharField(
        label=gettext_lazy("Checksum"),
        required=False,
        max_length=140,
        help_text=gettext_lazy("SHA-256 or SHA-512. What comes is kept only where it is that."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name in the pool"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Empty: the name of the file."),
    )
    field_order = ["url", "checksum", "pool", "name"]


class FromCatalogue(Into):
    """One of the catalogue."""

    entry = forms.CharField(max_length=100, widget=forms.HiddenInput)


class Copy(Into):
    """A copy of an image in another pool."""

    name = forms.CharField(label=gettext_lazy("Name in the pool"), required=False, max_length=200)
