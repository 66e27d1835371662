"""What a guest's agent is to be told."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from vms.forms.groups import Refusable
from vms.kinds.agent import LONGEST, SHORTEST
from vms.services.agent import LONGEST_PASSWORD


class Freeze(Refusable):
    """For how long."""

    seconds = forms.IntegerField(
        label=gettext_lazy("For at most, in seconds"), initial=60,
        widget=forms.NumberInput(attrs={"min": SHORTEST, "max": LONGEST}),
    )  # fmt: skip


class Password(Refusable):
    """Whose, and which."""

    user = forms.CharField(label=gettext_lazy("User"), max_length=64)
    password = forms.CharField(
        label=gettext_lazy("New password"), max_length=LONGEST_PASSWORD, strip=False, widget=forms.PasswordInput,
        help_text=gettext_lazy("Note it now: it is shown nowhere again."),
    )  # fmt: skip


class Keys(Refusable):
    """Whose; lines of keys, or none to read what is there. remove: a fingerprint."""

    user = forms.CharField(label=gettext_lazy("User"), max_length=64)
    keys = forms.CharField(label=gettext_lazy("Keys to add, one in each line"), max_length=100_000, required=False)
    my_keys = forms.BooleanField(label=gettext_lazy("The keys of my account"), required=False)
    remove = forms.CharField(max_length=60, required=False)
