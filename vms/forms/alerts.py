"""What is entered of rules and silences of alerts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy, ngettext

from vms.errors import BadFields
from vms.kinds.alerts import ALERTS, SEVERITIES
from vms.models import Alert, AlertRule
from vms.services.alert_words import alert_title
from vms.services.alerts import LONGEST_REASON
from vms.services.sentences import field_sentence

HOURS = (1, 4, 24, 7 * 24, 30 * 24)
UNITS = {"%": gettext_lazy("From how many percent on"), "d": gettext_lazy("From how many days before on")}


def severities() -> list[tuple[str, str]]:
    return [(name, gettext(word)) for name, word in SEVERITIES.items()]


class RuleFields(forms.Form):
    """What a kind's rule can say; the service says what does not fit."""

    enabled = forms.ChoiceField(
        label=gettext_lazy("Looked for"), choices=[("on", gettext_lazy("yes")), ("off", gettext_lazy("no"))]
    )
    severity = forms.ChoiceField(label=gettext_lazy("Severity"))
    seconds = forms.IntegerField(label=gettext_lazy("After so many seconds"))
    threshold = forms.IntegerField()

    def __init__(self, *args: Any, rule: AlertRule, **kwargs: Any) -> None:
        initial = {
            "enabled": "on" if rule.enabled else "off", "severity": rule.severity, "seconds": rule.seconds,
            "threshold": rule.threshold,
        }  # fmt: skip
        super().__init__(*args, **{**kwargs, "initial": initial})
        kind = ALERTS[rule.kind]
        fields: dict[str, Any] = self.fields
        fields["severity"].choices = severities()
        if kind.seconds is None:
            del fields["seconds"]
        if kind.threshold is None:
            del fields["threshold"]
        else:
            fields["threshold"].label = UNITS[kind.unit]

    def wish(self) -> dict[str, Any]:
        """What is asked for; only after is_valid()."""
        return {**self.cleaned_data, "enabled": self.cleaned_data["enabled"] == "on"}

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))


def length(hours: int) -> str:
    if hours < 24:
        return ngettext("{n} hour", "{n} hours", hours).format(n=hours)
    return ngettext("{n} day", "{n} days", hours // 24).format(n=hours // 24)


class SilenceFields(forms.Form):
    """For how long, of what, and why."""

    hours = forms.TypedChoiceField(label=gettext_lazy("For"), coerce=int, initial="4")
    scope = forms.ChoiceField(label=gettext_lazy("What"), initial="this")
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=LONGEST_REASON, required=False)

    def __init__(self, *args: Any, alert: Alert, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["hours"].choices = [(str(hours), length(hours)) for hours in HOURS]
        title = alert_title(alert.kind)
        of = gettext("“{title}” of {name}") if alert.name else "{title}"
        choices = [("this", of.format(title=title, name=alert.name))]
        if alert.thing:
            with_host = gettext("everything of {name} and of what stands on it")
            words = with_host if alert.host_id else gettext("everything of {name}")
            choices.append(("thing", words.format(name=alert.name)))
        choices.append(("kind", gettext("“{title}” of anything").format(title=title)))
        fields["scope"].choices = choices

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(name, field_sentence(code))
