"""What a VM is to be called."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy


class Rename(forms.Form):
    """Its new name."""

    name = forms.CharField(label=gettext_lazy("New name"), max_length=80, strip=True)
