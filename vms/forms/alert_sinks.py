"""What is entered of a sink of alerts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.kinds.alerts import SEVERITIES
from vms.models import AlertSink
from vms.services.alert_sinks import LONGEST_ADDRESS, LONGEST_NAME, sends_mail
from vms.services.sentences import field_sentence


def severities() -> list[tuple[str, str]]:
    return [("warning", gettext("every alert")), ("critical", gettext("what is critical alone"))]


class SinkFields(forms.Form):
    """Its name, what it is, where it leads; the service says what does not fit."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST_NAME, strip=False)
    kind = forms.ChoiceField(label=gettext_lazy("By"))
    address = forms.CharField(label=gettext_lazy("Address"), max_length=LONGEST_ADDRESS)
    least = forms.ChoiceField(label=gettext_lazy("It is told"), initial=next(iter(SEVERITIES)))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        mail = gettext("mail") if sends_mail() else gettext("mail (set KVMWEB_SMTP_URL first)")
        fields["kind"].choices = [("webhook", gettext("webhook")), ("mail", mail)]
        fields["least"].choices = severities()
        fields["address"].help_text = gettext("https://… of a webhook, or addresses of mail with commas between them.")

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(name, field_sentence(code))


class SinkChange(SinkFields):
    """The same of one that is there: what it is stays, and so does its address where none is entered."""

    enabled = forms.ChoiceField(
        label=gettext_lazy("Used"), choices=[("on", gettext_lazy("yes")), ("off", gettext_lazy("no"))]
    )

    def __init__(self, *args: Any, sink: AlertSink, **kwargs: Any) -> None:
        initial = {"name": sink.name, "least": sink.least, "enabled": "on" if sink.enabled else "off"}
        super().__init__(*args, **{**kwargs, "initial": initial})
        fields: dict[str, Any] = self.fields
        del fields["kind"]
        fields["address"].required = False
        fields["address"].label = gettext("Another address")
        if sink.kind == AlertSink.Kind.WEBHOOK:
            fields["address"].help_text = gettext("With another address comes another key.")

    def wish(self) -> dict[str, Any]:
        """What is asked for; only after is_valid()."""
        return {**self.cleaned_data, "enabled": self.cleaned_data["enabled"] == "on"}
