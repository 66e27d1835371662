"""What is entered of an API token."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy, ngettext

from vms.errors import BadFields
from vms.kinds.privileges import TABLE
from vms.kinds.scopes import BUNDLES
from vms.permissions import Actor, is_administrator
from vms.services import tokens
from vms.services.sentences import field_sentence

DAYS = (7, 30, tokens.DAYS, tokens.MOST_DAYS)
SINGLE = "single"


class Make(forms.Form):
    """A name, for how long, and what it may be used for: a bundle, single privileges, or both."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=tokens.LONGEST_NAME, help_text=gettext_lazy("What it is for.")
    )
    days = forms.TypedChoiceField(label=gettext_lazy("Good for"), coerce=int, initial=str(tokens.DAYS))
    bundle = forms.ChoiceField(label=gettext_lazy("What it may be used for"), initial="viewer")
    single = forms.MultipleChoiceField(required=False)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["days"].choices = [(str(days), ngettext("{n} day", "{n} days", days).format(n=days)) for days in DAYS]
        fields["bundle"].choices = [(name, gettext(means)) for name, means in BUNDLES.items()]
        fields["bundle"].choices += [(SINGLE, gettext("only what is ticked below"))]
        # What only administrators hold is of use in nobody else's token.
        whole = is_administrator(actor)
        fields["single"].choices = [
            (one.name, gettext(one.means)) for one in TABLE if whole or one.lowest != "administrator"
        ]

    def wish(self) -> dict[str, Any]:
        """What is asked for; only after is_valid()."""
        given = self.cleaned_data
        bundle = [] if given["bundle"] == SINGLE else [given["bundle"]]
        return {"name": given["name"], "days": given["days"], "scopes": [*bundle, *given["single"]]}

    def refuse(self, refused: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in refused.errors.items():
            self.add_error("bundle" if name == "scopes" else name, field_sentence(code))
