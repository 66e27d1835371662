"""What is entered of a group: its name, and who is to be in it."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from vms.errors import BadFields
from vms.services.groups import LONGEST
from vms.services.sentences import field_sentence


class Refusable(forms.Form):
    """Says at its fields what the service refused."""

    def refuse(self, bad: BadFields) -> None:
        for name, code in bad.errors.items():
            self.add_error(name, field_sentence(code))


class Name(Refusable):
    """What the group is called."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST,
        help_text=gettext_lazy("Grants are given to the group, and everybody in it has what they give."),
    )


class Member(Refusable):
    """Who joins it."""

    member = forms.CharField(label=gettext_lazy("User"), max_length=150)
