"""What is asked of a plan for several hosts."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.models import Host
from vms.permissions import Who, visible_vms
from vms.services.host_plan_wishes import ASKED, Wish
from vms.services.sentences import field_sentence

DAYS: Final = [(24, gettext_lazy("a day")), (7 * 24, gettext_lazy("7 days")), (30 * 24, gettext_lazy("30 days"))]
MIB_A_GIB: Final = 1024
# The fields of each kind beside those of all, by name.
OWN: Final = {
    "consolidate": ("spare", "shrink"),
    "balance": ("most",),
    "evacuate": (),
    "whatif": ("lose", "add", "add_cpus", "add_gib", "more_cpus", "more_gib"),
}


def number(label: Any, initial: int, least: int, most: int, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, initial=initial, min_value=least, max_value=most, required=False, help_text=help_text
    )


def tick(label: Any, *, initial: bool = False, help_text: Any = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, initial=initial, required=False, help_text=help_text)


def words(label: Any, help_text: Any, *, longest: int = 600) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=longest, help_text=help_text)


def split(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


class PlanFields(forms.Form):
    """Of one kind. What is left empty is as it usually is."""

    hosts = forms.TypedMultipleChoiceField(coerce=int, required=False)
    margin = number(gettext_lazy("Percent of each host that stay free"), 20, 0, 90)
    window = forms.TypedChoiceField(
        label=gettext_lazy("By what was used over"), choices=DAYS, coerce=int, initial=7 * 24, required=False
    )
    percentile = forms.ChoiceField(
        label=gettext_lazy("What counts of each VM"), required=False,
        choices=[("p95", gettext_lazy("what it needs in 95 of 100 spans")), ("mean", gettext_lazy("its average"))],
    )  # fmt: skip
    spare = tick(
        gettext_lazy("One host may be lost"), initial=True,
        help_text=gettext_lazy("If it fails, the others have processors and memory for its VMs; disks do not count."),
    )  # fmt: skip
    shrink = tick(
        gettext_lazy("Tell what smaller VMs would save"),
        help_text=gettext_lazy("How many hosts it is after shrinking those that advice calls too large, and which."),
    )
    most = number(gettext_lazy("Moves at most"), 20, 1, 1000)
    lose = forms.TypedChoiceField(label=gettext_lazy("This host is lost"), coerce=int, required=False, empty_value=None)
    add = number(gettext_lazy("So many VMs are added"), 0, 0, 1000)
    add_cpus = number(gettext_lazy("Each with vCPUs"), 2, 1, 4096)
    add_gib = number(gettext_lazy("and GiB of memory"), 4, 1, 65536)
    more_cpus = number(gettext_lazy("A host is added with processors"), 0, 0, 4096)
    more_gib = number(gettext_lazy("and GiB of memory in it"), 0, 0, 65536)
    on_allocation = tick(
        gettext_lazy("Plan by what VMs are given alone"),
        help_text=gettext_lazy("For hosts that have not been measured for a day."),
    )
    cpu_percent = number(
        gettext_lazy("Processors given, percent of those there are"), 400, 100, 3200,
        gettext_lazy("400: four for each. More than there are may be given, since few work all the time."),
    )  # fmt: skip
    memory_percent = number(
        gettext_lazy("Memory given, percent of what there is"), 100, 50, 400,
        gettext_lazy("More than 100 ends VMs where they use what they were given."),
    )  # fmt: skip
    apart = words(gettext_lazy("Never two of these tags on one host"), gettext_lazy("Tags, with commas between them."))
    pinned = words(
        gettext_lazy("These VMs stay where they are"), gettext_lazy("Names, with commas between them."), longest=10_000
    )
    pinned_tags = words(gettext_lazy("These tags stay where they are"), gettext_lazy("Tags, with commas between them."))

    def __init__(self, kind: str, hosts: list[Host], *args: Any, who: Who, **more: Any) -> None:
        super().__init__(*args, **more)
        self.who, self.all_hosts = who, hosts
        self.kind = kind if kind in ASKED else ASKED[0]
        named = [(host.pk, host.name) for host in hosts]
        self.fields["hosts"].choices = named  # type: ignore[attr-defined]
        self.fields["lose"].choices = [("", gettext_lazy("none")), *named]  # type: ignore[attr-defined]
        for name in {name for names in OWN.values() for name in names} - {*OWN[self.kind]}:
            del self.fields[name]

    def clean_pinned(self) -> tuple[int, ...]:
        """Those of that name on any of the hosts."""
        names = set(split(self.cleaned_data["pinned"]))
        if not names:
            return ()
        there = visible_vms(self.who).filter(placement__host__in=self.all_hosts, placement__present=True)
        found = dict(there.filter(name__in=names).order_by("pk").values_list("pk", "name"))
        if unknown := sorted(names.difference(found.values())):
            said = gettext("You see no VM of that name on these hosts: {names}.")
            raise forms.ValidationError(said.format(names=", ".join(unknown)))
        return tuple(found)

    def wish(self) -> Wish:
        """What is asked; only after is_valid()."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        hosts = tuple(given.pop("hosts", ()))
        for name in ("apart", "pinned_tags"):
            if name in given:
                given[name] = split(given[name])
        for name in ("add_gib", "more_gib"):
            if name in given:
                given[name.replace("gib", "mib")] = given.pop(name) * MIB_A_GIB
        where: dict[str, Any] = {"away": hosts} if self.kind == "evacuate" else {"hosts": hosts}
        return Wish(self.kind, **where, **given)

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            here = name.replace("_mib", "_gib")
            self.add_error(here if here in self.fields else None, field_sentence(code))
