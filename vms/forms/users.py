"""What is entered of an account, and the password that who was invited chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from vms.models import User
from vms.services.sentences import field_sentence

FIELDS = ("name", "mail", "administrator")


def sent(request: HttpRequest) -> dict[str, str]:
    """The fields of the form as they were sent, "" for what was not."""
    return {name: request.POST.get(name, "").strip() for name in FIELDS}


def make_form(given: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """For the template: what stands in the fields, and what is wrong with them in words."""
    wrong = {name: field_sentence(code) for name, code in (errors or {}).items()}
    return {"value": dict(given or {}), "error": wrong}


class Invited(forms.Form):
    """The token of the link and the new password, twice."""

    token = forms.CharField(max_length=100, widget=forms.HiddenInput)
    password1 = forms.CharField(
        label=gettext_lazy("New password"), max_length=1000, strip=False, widget=forms.PasswordInput
    )
    password2 = forms.CharField(
        label=gettext_lazy("New password (again)"), max_length=1000, strip=False, widget=forms.PasswordInput
    )

    def __init__(self, *args: Any, user: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password1(self) -> str:
        password: str = self.cleaned_data["password1"]
        validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        first, second = self.cleaned_data.get("password1"), self.cleaned_data.get("password2")
        if first and second and first != second:
            self.add_error("password2", gettext("This is another password than the one above."))
        return self.cleaned_data
