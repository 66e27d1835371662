"""What is entered of a volume; its size in GiB."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy

from vms.errors import BadFields
from vms.models import StoragePool
from vms.services.sentences import field_sentence

GIB: Final = 1 << 30
LARGEST: Final = 64 << 10


def gib(label: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, max_value=LARGEST)


def choice(label: Any, choices: list[tuple[str, str]]) -> forms.ChoiceField:
    """A field to choose; where there is one thing alone nobody is asked."""
    if len(choices) > 1:
        return forms.ChoiceField(label=label, choices=choices)
    return forms.ChoiceField(choices=choices, widget=forms.HiddenInput, initial=choices[0][0] if choices else "")


class Refusable(forms.Form):
    """Says at its fields what the service refused."""

    # What the service calls the form's fields.
    called = {"size_bytes": "size"}

    def refuse(self, bad: BadFields) -> None:
        for name, code in bad.errors.items():
            field = self.called.get(name, name)
            self.add_error(field if field in self.fields else None, field_sentence(code))


class New(Refusable):
    """An empty volume."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    size = gib(gettext_lazy("Size, GiB"))
    format = forms.ChoiceField(label=gettext_lazy("Format"))

    def __init__(self, formats: Iterable[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"] = choice(gettext_lazy("Format"), [(name, name) for name in formats])


class Grow(Refusable):
    """How large it is to be."""

    size = gib(gettext_lazy("New size, GiB"))


class Clone(Refusable):
    """What the copy is called, and where it goes."""

    name = forms.CharField(label=gettext_lazy("Name of the copy"), max_length=200)

    def __init__(self, pools: Iterable[tuple[StoragePool, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pool"] = choice(gettext_lazy("Pool"), [(str(pool.pk), label) for pool, label in pools])
