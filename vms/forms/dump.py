"""Where a VM's memory is dumped to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.models import StoragePool
from vms.services.capacity_words import size
from vms.services.sentences import field_sentence


class DumpForm(forms.Form):
    """pools: those that are offered, the best first."""

    pool = forms.TypedChoiceField(label=gettext_lazy("Pool"), coerce=int)

    def __init__(self, pools: Iterable[StoragePool], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        free = gettext("{pool}, {free} free")
        self.fields["pool"].choices = [  # type: ignore[attr-defined]
            (pool.pk, free.format(pool=pool.name, free=size(pool.available_bytes))) for pool in pools
        ]

    def refuse(self, bad: BadFields) -> None:
        for name, code in bad.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))
