"""What is entered of a VM's tags."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy


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
        words = (word.strip() for word in self.cleaned_data["tags"].split(","))
        return [word for word in words if word]
