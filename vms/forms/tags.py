"""What is entered of a VM's tags."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy


class Tags(forms.Form):
    """All that the VM is to have, with commas between."""

    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy("With commas between them: web, shop. Who has rights by a tag has them on this VM too."),
    )

    def words(self) -> list[str]:
        """Each tag; only after is_valid()."""
        return split(self.cleaned_data["tags"])


class TagsChange(forms.Form):
    """What several VMs are to get and to lose."""

    add = forms.CharField(
        label=gettext_lazy("Put on"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy("With commas between them: web, shop. Who has rights by a tag has them on these too."),
    )
    remove = forms.CharField(
        label=gettext_lazy("Take off"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy("Who has rights by a tag loses them here with it."),
    )

    def clean(self) -> dict[str, Any]:
        if not self.errors and not (self.words("add") or self.words("remove")):
            self.add_error("add", gettext("Name a tag to put on, or one to take off."))
        return self.cleaned_data

    def words(self, field: str) -> list[str]:
        """Each tag of "add" or "remove"; only after is_valid()."""
        return split(self.cleaned_data[field])


def split(text: str) -> list[str]:
    """The words between the commas."""
    words = (word.strip() for word in text.split(","))
    return [word for word in words if word]
