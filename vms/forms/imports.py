"""What is entered of a VM that comes out of an archive."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.forms.create import FIRMWARE, number
from vms.models import Archive, Network, StoragePool, Volume
from vms.permissions import Who
from vms.services import archives, imports, operations, placing, systems
from vms.services.imports import ImportWish
from vms.services.sentences import field_sentence
from vms.services.volumes import formats

# What an archive's VM had and that of here has not, by the codes of services.archives.
LEFT_OUT: Final = {
    "floppy": gettext_lazy("floppy drive"),
    "cd": gettext_lazy("CD drive"),
    "usb": gettext_lazy("USB controller"),
    "sound": gettext_lazy("sound card"),
    "other": gettext_lazy("other devices"),
}
DRIVERS: Final = (
    ("on", gettext_lazy("such as every system has drivers for (SATA, e1000e)")),
    ("", gettext_lazy("such as its system knows, the fastest (virtio)")),
)
# What the service calls the form's fields.
CALLED: Final = {"memory_mib": "memory", "networks": "card-0"}


class Import(forms.Form):
    """With what the archive says, which may be changed: each disk, and each card's network."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    cpus = forms.IntegerField(label=gettext_lazy("vCPUs"), min_value=1, max_value=512)
    memory = forms.IntegerField(label=gettext_lazy("Memory, MiB"), min_value=32, max_value=16 << 20)
    os = forms.ChoiceField(label=gettext_lazy("System"), required=False)
    firmware = forms.ChoiceField(label=gettext_lazy("Firmware"), choices=FIRMWARE, required=False)
    careful = forms.ChoiceField(label=gettext_lazy("Disks and cards"), choices=DRIVERS, required=False)
    pool = forms.ChoiceField(label=gettext_lazy("Storage pool"), required=False)

    def __init__(self, who: Who, volume: Volume, archive: Archive, *args: Any, **kwargs: Any) -> None:
        self.who, self.archive = who, archive
        self.volume, self.told, self.found = volume, archives.told(archive), archives.disks(archive)
        host = operations.pool_of(volume).host
        pools = [pool for pool in placing.usable_pools(who, host) if self.fits(pool)]
        usable = placing.usable_networks(who, host) if placing.is_filtered(host) else []
        networks = [network for network in usable if network.active]
        # Without a network there is nothing to choose.
        self.places = range(len(self.models) if networks else 0)
        kwargs.setdefault("initial", self.as_told(networks))
        super().__init__(*args, **kwargs)
        self.offer("os", [("", gettext("another, or none that is known")), *systems.choices()])
        self.offer("pool", [("", gettext("wherever it fits")), *((str(pool.pk), pool.name) for pool in pools)])
        self.fields["os"].help_text = in_archive(str(self.told["system"]))
        virtio = gettext("A system that never saw virtio may not start from it; it can be changed later.")
        self.fields["careful"].help_text = f"{in_archive(', '.join(self.told['controllers']))} {virtio}".strip()
        for place in self.places:
            choices = [("none", gettext("no network card")), *((str(net.pk), net.name) for net in networks)]
            label = gettext("Network of card {n}").format(n=place + 1) if len(self.models) > 1 else gettext("Network")
            self.fields[f"card-{place}"] = forms.ChoiceField(
                label=label, choices=choices, required=False, help_text=in_archive(self.models[place]),
            )  # fmt: skip
        for place, disk in enumerate(self.found):
            self.fields[f"disk-{place}"] = forms.BooleanField(label=disk.file or volume.name, required=False)

    def as_told(self, networks: list[Network]) -> dict[str, Any]:
        """What the archive says, and the first network for each card."""
        told = imports.suggested(self.told)
        return {
            "name": told.name,
            "cpus": told.cpus,
            "memory": told.memory_mib,
            "os": told.os or "",
            "firmware": told.firmware,
            "careful": "on" if told.careful else "",
            **{f"card-{place}": str(networks[0].pk) for place in self.places},
            **{f"disk-{place}": True for place in range(len(self.found))},
        }

    def fits(self, pool: StoragePool) -> bool:
        """Whether all its disks can be there."""
        return all(disk.format != "qcow2" or "qcow2" in formats(pool) for disk in self.found)

    @property
    def models(self) -> list[str]:
        """Its cards, in words."""
        return [", ".join(filter(None, (card["model"], card["network"]))) for card in self.told["cards"]]

    def offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def cards(self) -> list[forms.BoundField]:
        return [self[f"card-{place}"] for place in self.places]

    @property
    def disks(self) -> list[dict[str, Any]]:
        """Each with its field."""
        return [
            {"field": self[f"disk-{place}"], "kib": disk.size_bytes // 1024, "format": disk.format}
            for place, disk in enumerate(self.found)
        ]

    @property
    def left_out(self) -> str:
        return ", ".join(str(LEFT_OUT.get(word, LEFT_OUT["other"])) for word in self.told["left_out"])

    def wish(self) -> ImportWish:
        """What is asked for; only after is_valid()."""
        given = self.cleaned_data
        chosen = [given[f"card-{place}"] for place in self.places]
        return ImportWish(
            volume=self.volume.pk,
            name=given["name"],
            cpus=given["cpus"],
            memory_mib=given["memory"],
            os=given["os"],
            firmware=given["firmware"],
            careful=given["careful"] == "on",
            disks=tuple(place for place in range(len(self.found)) if given[f"disk-{place}"]),
            pool=number(given["pool"]),
            networks=tuple(int(pk) for pk in chosen if pk not in ("", "none")),
            start="only" not in self.data,
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


def in_archive(words: str) -> str:
    """What its maker calls it, "" where he says nothing."""
    return gettext("In the archive: {words}.").format(words=words) if words else ""
