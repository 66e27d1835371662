"""What is entered of a clone."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.models import Host, Network, Snapshot, StoragePool, VirtualMachine
from vms.permissions import Who, seen_hosts, visible_networks, visible_pools
from vms.services import placing
from vms.services.clone_rows import Row, card_count, rows
from vms.services.clone_wishes import CloneWish, DiskChoice
from vms.services.freshness import placed
from vms.services.sentences import clone_reason, field_sentence

# What can be done with a disk, in words.
WAYS: Final = {
    "copy": gettext_lazy("a copy of its own"),
    "linked": gettext_lazy("linked: only what differs from it"),
    "share": gettext_lazy("the same, together"),
    "none": gettext_lazy("left out"),
}
MEDIA: Final = {"share": gettext_lazy("the same"), "none": gettext_lazy("empty")}
# What the service calls the form's fields.
CALLED: Final = {"networks": "host", "disks": None}


class Clone(forms.Form):
    """A name, and for each disk and card what becomes of it, as it is proposed."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    host = forms.ChoiceField(label=gettext_lazy("Host"), required=False)
    pool = forms.ChoiceField(label=gettext_lazy("Storage pool"), required=False)
    count = forms.IntegerField(
        label=gettext_lazy("How many"), min_value=1, max_value=100, required=False,
        help_text=gettext_lazy("Several have names with one # in them, which is replaced by their numbers."),
    )  # fmt: skip

    def __init__(
        self, who: Who, vm: VirtualMachine, *args: Any, snapshot: Snapshot | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.vm, self.snapshot = vm, snapshot
        here = placed(vm).host_id
        hosts = placing.usable_hosts(who)
        self.seen, self.many = seen_hosts(who, hosts), len(hosts) > 1
        pools = visible_pools(who).filter(host__in=hosts, active=True).select_related("host")
        networks = visible_networks(who).filter(host__in=hosts).select_related("host").order_by("name")
        self.offer("host", [("", gettext("where it is")), *((str(each.pk), self.called(each)) for each in hosts)])
        ordered = sorted(pools, key=lambda pool: (pool.host_id != here, pool.name))
        self.offer(
            "pool", [("", gettext("beside each disk")), *((str(pool.pk), self.placed(pool)) for pool in ordered)]
        )
        self.rows = rows(who, vm, snapshot)
        for row in self.rows:
            words = MEDIA if row.drive.medium else WAYS
            self.fields[f"disk_{row.target}"] = forms.ChoiceField(
                label=label(row), required=False, choices=[(way, words[way]) for way in row.ways],
                help_text=clone_reason(row.why) if row.why else "",
            )  # fmt: skip
        choices = [("", gettext("as it is proposed")), ("none", gettext("no network card"))]
        choices += [(str(network.pk), self.placed(network)) for network in networks]
        self.cards = [f"card_{number}" for number in range(card_count(vm, snapshot))]
        for number, name in enumerate(self.cards, 1):
            self.fields[name] = forms.ChoiceField(
                label=gettext("Network card {number}").format(number=number), required=False, choices=choices
            )  # fmt: skip

    def offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    def called(self, host: Host) -> str:
        return host.name if host.pk in self.seen else gettext("a host")

    def placed(self, thing: StoragePool | Network) -> str:
        return f"{thing.name} · {self.called(thing.host)}" if self.many else thing.name

    @property
    def several(self) -> bool:
        return str(self["count"].value() or 1) != "1"

    @property
    def disk_fields(self) -> list[Any]:
        return [self[f"disk_{row.target}"] for row in self.rows]

    @property
    def card_fields(self) -> list[Any]:
        return [self[name] for name in self.cards]

    def wish(self) -> CloneWish:
        """What is asked for; only after is_valid()."""
        given = self.cleaned_data
        chosen = {row.target: given.get(f"disk_{row.target}") for row in self.rows}
        return CloneWish(
            name=given["name"],
            host=number(given["host"]),
            pool=number(given["pool"]),
            disks={target: DiskChoice(how) for target, how in chosen.items() if how},
            networks=tuple(card_of(given.get(name, "")) for name in self.cards),
            start="start" in self.data,
            count=given["count"] or 1,
            snapshot=self.snapshot.name if self.snapshot else "",
        )

    def wrong(self) -> list[str]:
        """What does not fit, each with the name of its field."""
        return [
            f"{self.fields[name].label}: {text}" if name in self.fields else str(text)
            for name, texts in self.errors.items()
            for text in texts
        ]

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            field = CALLED.get(name, name)
            self.add_error(field if field in self.fields else None, field_sentence(code))


def label(row: Row) -> str:
    """ "vda: default / web-01.qcow2"."""
    return f"{row.target}: {row.name}" if row.name else row.target


def card_of(text: str) -> int | None:
    return 0 if text == "none" else number(text)


def number(text: str) -> int | None:
    return int(text) if text else None
