"""What is entered of a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.models import Schedule, VirtualMachine
from vms.models.schedules import Every
from vms.permissions import Who, visible_hosts
from vms.services import schedules, time_zones
from vms.services.schedule_times import HOUR
from vms.services.schedule_words import WEEKDAYS
from vms.services.sentences import field_sentence

# So many VMs one can choose from; a schedule of another is set on that VM's own page.
MOST: Final = 500
RHYTHMS: Final = {
    Every.HOURLY: gettext_lazy("every hour"),
    Every.DAILY: gettext_lazy("every day"),
    Every.WEEKLY: gettext_lazy("every week"),
    Every.MONTHLY: gettext_lazy("every month"),
}
# Where the form has what the service calls so.
PLACES: Final = {"vm": "of", "host": "of", "tag": "of", "day": "monthday", "minutes": "at"}


def keep(label: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=0, max_value=schedules.MOST_KEPT)


class ScheduleFields(forms.Form):
    """Of what, when, and what is kept."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=schedules.LONGEST, strip=False)
    of = forms.ChoiceField(label=gettext_lazy("Snapshots of"))
    every = forms.ChoiceField(label=gettext_lazy("How often"), choices=[(each.value, RHYTHMS[each]) for each in Every])
    minute = forms.IntegerField(label=gettext_lazy("At minute"), min_value=0, max_value=59, required=False)
    weekday = forms.TypedChoiceField(label=gettext_lazy("On"), coerce=int, required=False)
    monthday = forms.IntegerField(
        label=gettext_lazy("On day"), min_value=1, max_value=31, required=False,
        help_text=gettext_lazy("Of a month that has fewer days, its last."),
    )  # fmt: skip
    at = forms.TimeField(
        label=gettext_lazy("At"), required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=gettext_lazy(
            "In a night that has this time twice it is the first, in one that leaves it out as long after midnight."
        ),
    )  # fmt: skip
    zone = forms.ChoiceField(label=gettext_lazy("Time zone"))
    keep_last = keep(gettext_lazy("Latest"))
    keep_hourly = keep(gettext_lazy("Hours"))
    keep_daily = keep(gettext_lazy("Days"))
    keep_weekly = keep(gettext_lazy("Weeks"))
    keep_monthly = keep(gettext_lazy("Months"))
    memory = forms.BooleanField(
        label=gettext_lazy("With memory"), required=False,
        help_text=gettext_lazy("Of VMs that run then; they stand still meanwhile, and it takes as much as they have."),
    )  # fmt: skip
    quiesce = forms.BooleanField(
        label=gettext_lazy("Ask the guest agent to write everything first"), required=False,
        help_text=gettext_lazy("Of VMs that run then; where no agent answers, it fails."),
    )  # fmt: skip

    def __init__(self, *args: Any, who: Who, of: Iterable[VirtualMachine] = (), **kwargs: Any) -> None:
        """of: VMs that stand first among those to choose from."""
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["of"].choices = choices(who, of)
        fields["weekday"].choices = [(str(day), gettext(word)) for day, word in enumerate(WEEKDAYS)]
        fields["zone"].choices = [(name, name) for name in time_zones.names()]

    @property
    def keep_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in schedules.KEEPS]

    @property
    def tick_fields(self) -> list[forms.BoundField]:
        return [self["memory"], self["quiesce"]]

    def clean_at(self) -> time | None:
        at: time | None = self.cleaned_data["at"]
        if at is None and self.cleaned_data.get("every") != Every.HOURLY:
            raise forms.ValidationError(field_sentence("missing"))
        return at

    def wish(self) -> dict[str, Any]:
        """As the service takes it; only after is_valid()."""
        given = self.cleaned_data
        noun, _, which = given["of"].partition(":")
        at: time = given["at"] or time()
        hourly = given["every"] == Every.HOURLY
        day = {"weekly": given["weekday"] or 0, "monthly": given["monthday"] or 1}.get(given["every"], 0)
        return {
            "name": given["name"],
            "vm": int(which) if noun == "vm" else None,
            "host": int(which) if noun == "host" else None,
            "tag": which if noun == "tag" else "",
            "every": given["every"],
            "minutes": given["minute"] or 0 if hourly else at.hour * HOUR + at.minute,
            "day": day,
            "zone": given["zone"],
            **{name: given[name] for name in (*schedules.KEEPS, "memory", "quiesce")},
        }

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(PLACES.get(name, name), field_sentence(code))


def choices(who: Who, first: Iterable[VirtualMachine]) -> list[Any]:
    """What he may choose, by sort: VMs, tags on them, hosts."""
    reached = schedules.settable(who)
    vms = {f"vm:{vm.pk}": vm.name for vm in first}
    vms |= {f"vm:{pk}": name for pk, name in reached.order_by("name", "pk").values_list("pk", "name")[:MOST]}
    tags = reached.exclude(tags=None).order_by("tags__name").values_list("tags__name", flat=True).distinct()
    hosts = visible_hosts(who).order_by("name").values_list("pk", "name")
    groups = [
        (gettext("One VM"), list(vms.items())),
        (gettext("All VMs with a tag"), [(f"tag:{tag}", tag) for tag in tags]),
        (gettext("All VMs on a host"), [(f"host:{pk}", name) for pk, name in hosts]),
    ]
    return [group for group in groups if group[1]]


def initial(schedule: Schedule) -> dict[str, Any]:
    """What stands in the form for one that is there."""
    of = f"vm:{schedule.vm_id}" if schedule.vm_id else f"host:{schedule.host_id}" if schedule.host_id else ""
    return {
        **{name: getattr(schedule, name) for name in ("name", "every", "zone", *schedules.KEEPS, "memory", "quiesce")},
        "of": of or f"tag:{schedule.tag}",
        "minute": schedule.minutes % HOUR,
        "at": f"{schedule.minutes // HOUR:02}:{schedule.minutes % HOUR:02}",
        "weekday": schedule.day if schedule.every == Every.WEEKLY else 0,
        "monthday": schedule.day if schedule.every == Every.MONTHLY else 1,
    }


def beginning(zone: str) -> dict[str, Any]:
    """What stands in the form for a new one: each night, kept for a week, and of four weeks one each."""
    return {
        "every": Every.DAILY, "at": "02:30", "minute": 0, "weekday": 6, "monthday": 1, "zone": zone,
        "keep_last": 3, "keep_hourly": 0, "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 0,
    }  # fmt: skip
