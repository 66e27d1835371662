"""What is asked before a VM is deleted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from vms.errors import BadFields
from vms.services.sentences import field_sentence


class Delete(forms.Form):
    """volumes: those that go with it. trash: whether it goes there. seen: the digest of the list that was read."""

    volumes = forms.TypedMultipleChoiceField(coerce=int, required=False)
    trash = forms.BooleanField(required=False)
    confirm = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=255, strip=True)
    seen = forms.CharField(required=False, max_length=64)

    def __init__(self, volumes: list[int], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["volumes"]
        field.choices = [(pk, str(pk)) for pk in volumes]

    def refuse(self, bad: BadFields) -> None:
        for name, code in bad.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))
