"""What is entered of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.kinds.snapshots import LONGEST_DESCRIPTION
from vms.services.sentences import field_sentence
from vms.services.snapshots import Possible

LONGEST = 80


def refuse(form: forms.Form, errors: Mapping[str, str]) -> None:
    """Say at its field what the service refused."""
    for name, code in errors.items():
        form.add_error(name if name in form.fields else None, field_sentence(code))


class TakeFields(forms.Form):
    """Its name, and with what it is taken."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST)
    memory = forms.TypedChoiceField(
        label=gettext_lazy("Memory"), coerce=lambda text: text == "yes", required=False, empty_value=None
    )  # fmt: skip
    description = forms.CharField(
        label=gettext_lazy("Description"), max_length=LONGEST_DESCRIPTION, required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), required=False)
    quiesce = forms.BooleanField(
        label=gettext_lazy("Ask the guest agent to hold its file systems still"), required=False
    )

    def __init__(self, *args: Any, possible: Possible, runs: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["kind"].choices = [
            ("", gettext("what fits")), ("internal", gettext("inside its disks")),
            ("external", gettext("with layers over its disks")),
        ]  # fmt: skip
        both = runs and possible.plain.possible and possible.with_memory.possible
        if both:
            fields["memory"].choices = [("no", gettext("without")), ("yes", gettext("with"))]
        else:
            del fields["memory"]
        if not (runs and possible.agent and possible.external.possible):
            del fields["quiesce"]
        # What is possible in one way only.
        self.only_memory = runs and not possible.plain.possible

    def wish(self) -> dict[str, Any]:
        """As the service takes it; only after is_valid()."""
        given = self.cleaned_data
        memory = given.get("memory") is True or self.only_memory
        return {
            "name": given["name"], "description": given["description"], "memory": memory,
            "kind": given["kind"], "quiesce": given.get("quiesce", False),
        }  # fmt: skip

    def refuse(self, bad: BadFields) -> None:
        refuse(self, bad.errors)


class RevertFields(forms.Form):
    """Whether the present state is kept first, and as what."""

    keeps = forms.BooleanField(label=gettext_lazy("Keep the present state in a snapshot first"), required=False)
    keep = forms.CharField(label=gettext_lazy("As"), max_length=LONGEST, required=False)

    def wish(self) -> str:
        """What the snapshot of the present state is to be called, "" for none; only after is_valid()."""
        return self.cleaned_data["keep"] if self.cleaned_data["keeps"] else ""

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("keeps") and not self.cleaned_data.get("keep"):
            self.add_error("keep", field_sentence("missing"))
        return self.cleaned_data

    def refuse(self, bad: BadFields) -> None:
        refuse(self, bad.errors)


class RenameFields(forms.Form):
    """What it is called, and what is said of it."""

    to = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST)
    description = forms.CharField(
        label=gettext_lazy("Description"), max_length=LONGEST_DESCRIPTION, required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip

    def __init__(self, *args: Any, named: bool, **kwargs: Any) -> None:
        """named: whether it can be called otherwise."""
        super().__init__(*args, **kwargs)
        if not named:
            del self.fields["to"]

    def refuse(self, bad: BadFields) -> None:
        refuse(self, {"to" if name == "name" else name: code for name, code in bad.errors.items()})
