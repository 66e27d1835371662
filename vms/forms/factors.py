"""The code of the second step, at the sign-in and where one changes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from allauth.core import context
from allauth.core.internal import ratelimit  # what allauth.core.ratelimit gives cannot be taken back one by one
from allauth.mfa.base.forms import AuthenticateForm
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext, gettext_lazy

from vms.errors import WrongCode
from vms.models import User
from vms.services import factors, failures
from vms.services.actors import client_address
from vms.services.sentences import sentence

LONGEST = 40
# In the session between the steps: what changes with the password.
FIRST_STEP = "first-step"


class Code(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=LONGEST)


class SecondStep(AuthenticateForm):  # type: ignore[misc]
    """The same in a sign-in whose password was right."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=LONGEST)

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        session = context.request.session
        if not constant_time_compare(session.get(FIRST_STEP, ""), self.user.get_session_auth_hash()):
            raise ValidationError(gettext("The password is another one by now. Go back and begin with it."))
        with limited(context.request, self.user):
            self.authenticator = factors.take(self.user, code, address=client_address(context.request))
            if self.authenticator is None:
                raise WrongCode
            self.authenticator.user = self.user
        del session[FIRST_STEP]
        return code


@contextmanager
def limited(request: HttpRequest, user: User) -> Iterator[None]:
    """Wrong codes are counted per account and address and per address, like wrong passwords: nobody else is kept out.
    Raises ValidationError in place of WrongCode, and before anything after too many."""
    address, name = client_address(request), user.get_username()
    usage = ratelimit.consume(
        request, app="allauth.account", action="login_failed", key=f"code {address} {name.lower()}"
    )
    if usage is None:
        failures.count("code", address, name)
        raise ValidationError(gettext("Too many wrong codes. Try again in five minutes."))
    try:
        yield
    except WrongCode as wrong:
        failures.count("code", address, name)
        raise ValidationError(sentence(wrong.code)) from None
    usage.rollback()
