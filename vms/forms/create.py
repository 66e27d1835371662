"""What is entered of a new VM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final

from django import forms
from django.db.models import QuerySet
from django.utils.choices import BaseChoiceIterator
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.forms.seeds import FirstBoot
from vms.models import Host, Image, Network, StoragePool, VirtualMachine, Volume
from vms.permissions import (
    Actor,
    Who,
    seen_hosts,
    usable_templates,
    visible_images,
    visible_networks,
    visible_pools,
    visible_volumes,
)
from vms.services import placing, sizes, systems
from vms.services.plans import DRIVERS
from vms.services.seeds import SeedWish
from vms.services.sentences import field_sentence
from vms.services.wishes import DiskWish, Wish

GIB: Final = 1024
# From what it is installed: its word, and what it is called.
SOURCES: Final = (
    ("image", gettext_lazy("Image of a disk"), gettext_lazy("such as a cloud image: ready to run")),
    ("iso", gettext_lazy("ISO"), gettext_lazy("a CD that installs a system")),
    ("volume", gettext_lazy("Disk that is there"), gettext_lazy("as it is")),
    ("template", gettext_lazy("Template"), gettext_lazy("another VM again, in a second")),
    ("pxe", gettext_lazy("Network"), gettext_lazy("what the network has to install from")),
    ("empty", gettext_lazy("Nothing"), gettext_lazy("an empty disk")),
)
# How a VM of a template has its disks.
BACKINGS: Final = (
    ("linked", gettext_lazy("linked: made at once, needs the template as long as it is there")),
    ("full", gettext_lazy("full: a copy that stands by itself")),
)
# So many are offered to choose from.
MOST: Final = 200
FIRMWARE: Final = (
    ("", gettext_lazy("as its system wants it")),
    ("bios", gettext_lazy("BIOS")),
    ("efi", gettext_lazy("UEFI")),
    ("secure", gettext_lazy("UEFI with secure boot")),
)
# What the service calls the form's fields.
CALLED: Final = {"disks": "pool", "networks": "network", "install": "iso", "memory_mib": "memory"}


class Late(BaseChoiceIterator):
    """Choices that are looked up when somebody looks at them, which who sends a form seldom does."""

    def __init__(self, find: Callable[[], list[tuple[str, str]]]) -> None:
        self.find = find

    @cached_property
    def found(self) -> list[tuple[str, str]]:
        return self.find()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self.found

    def __bool__(self) -> bool:
        return bool(self.found)


def named(rows: Any) -> list[tuple[str, str]]:
    """The first of them as choices."""
    return [(str(row.pk), row.name) for row in rows[:MOST]]


class Create(FirstBoot):
    """Four questions, and what has an answer already. The size is the name of one, or "own"."""

    source = forms.ChoiceField(
        label=gettext_lazy("Install from"), choices=[(word, title) for word, title, _ in SOURCES]
    )
    image = forms.ChoiceField(label=gettext_lazy("Image"), required=False)
    iso = forms.ChoiceField(label=gettext_lazy("ISO"), required=False)
    volume = forms.ChoiceField(label=gettext_lazy("Disk"), required=False)
    template = forms.ChoiceField(label=gettext_lazy("Template"), required=False)
    backing = forms.ChoiceField(label=gettext_lazy("Its disks"), choices=BACKINGS, required=False)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    size = forms.CharField(label=gettext_lazy("Size"), max_length=sizes.LONGEST)
    cpus = forms.IntegerField(label=gettext_lazy("vCPUs"), min_value=1, max_value=512, required=False)
    memory = forms.IntegerField(
        label=gettext_lazy("Memory, MiB"), min_value=32, max_value=16 << 20, required=False
    )  # fmt: skip
    disk = forms.IntegerField(label=gettext_lazy("Disk, GiB"), min_value=1, max_value=64 << 10, required=False)
    host = forms.ChoiceField(label=gettext_lazy("Host"), required=False)
    pool = forms.ChoiceField(label=gettext_lazy("Storage pool"), required=False)
    network = forms.ChoiceField(label=gettext_lazy("Network"), required=False)
    os = forms.ChoiceField(label=gettext_lazy("System"), required=False)
    firmware = forms.ChoiceField(label=gettext_lazy("Firmware"), choices=FIRMWARE, required=False)
    plain = forms.BooleanField(label=gettext_lazy("Windows without the CD of virtio drivers"), required=False)
    linked = forms.BooleanField(label=gettext_lazy("Only keep what differs from the image"), required=False)
    count = forms.IntegerField(label=gettext_lazy("How many"), min_value=1, max_value=100, required=False)

    def __init__(self, who: Who, *args: Any, hosts: list[Host] | None = None, **kwargs: Any) -> None:
        """hosts: his own, where they are known."""
        super().__init__(who, *args, **kwargs)
        self.hosts = placing.usable(placing.own_hosts(who) if hosts is None else hosts)
        self.many = len(self.hosts) > 1
        fits = gettext("wherever it fits")
        self.offer("image", Late(lambda: named(self.images.filter(kind=Image.Kind.DISK))))
        self.offer("iso", Late(lambda: named(self.images.filter(kind=Image.Kind.ISO))))
        self.offer("volume", Late(lambda: named(self.free_volumes())))
        self.offer("template", Late(lambda: named(self.templates())))
        self.offer("host", Late(lambda: [("", fits), *((str(host.pk), self.called(host)) for host in self.hosts)]))
        self.offer("pool", Late(lambda: [("", fits), *((str(pool.pk), self.placed(pool)) for pool in self.pools)]))
        self.offer("network", Late(self.networks))
        self.offer("os", Late(lambda: [("", gettext("as the image says")), *systems.choices()]))

    @cached_property
    def seen(self) -> frozenset[int]:
        return seen_hosts(self.who, self.hosts)

    @cached_property
    def images(self) -> QuerySet[Image]:
        return visible_images(self.who).order_by("name")

    @cached_property
    def has_drivers(self) -> bool:
        return self.images.filter(os=DRIVERS, kind=Image.Kind.ISO).exists()

    @cached_property
    def pools(self) -> list[StoragePool]:
        """One that is stopped can be chosen: what says so has the button that starts it."""
        return list(visible_pools(self.who).filter(host__in=self.hosts).select_related("host").order_by("name"))

    def networks(self) -> list[tuple[str, str]]:
        found = visible_networks(self.who).filter(host__in=self.hosts).select_related("host").order_by("name")
        choices = [("", gettext("the first that may be used")), ("none", gettext("no network card"))]
        return [*choices, *((str(network.pk), self.placed(network)) for network in found)]

    def templates(self) -> QuerySet[VirtualMachine]:
        return usable_templates(self.who).filter(placement__host__in=self.hosts).order_by("name", "pk")

    def offer(self, name: str, choices: list[tuple[str, str]] | Late) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    def called(self, host: Host) -> str:
        return host.name if host.pk in self.seen else gettext("a host")

    def placed(self, thing: StoragePool | Network) -> str:
        return f"{thing.name} · {self.called(thing.host)}" if self.many else thing.name

    def free_volumes(self) -> list[Volume]:
        """Disks that he may give to a VM and that nobody uses."""
        storages = {pool.storage_id for pool in self.pools if pool.active}
        rows = visible_volumes(self.who, "attach").filter(storage__in=storages, present=True, state="ready")
        return list(
            rows.filter(vms=None, layers=None, image_copy=None, archive=None, format__in=("raw", "qcow2")).order_by(
                "name"
            )[:MOST]
        )

    @property
    def sources(self) -> list[dict[str, Any]]:
        """The ways to install, for radio buttons."""
        chosen = self["source"].value() or self.first_source
        return [{"word": word, "title": title, "help": text, "chosen": word == chosen} for word, title, text in SOURCES]

    @property
    def first_source(self) -> str:
        """An image where there is one, else an ISO, else nothing."""
        return next((word for word in ("image", "iso") if self.fields[word].choices), "empty")  # type: ignore[attr-defined]

    @property
    def sizes(self) -> list[dict[str, Any]]:
        """Those that have names."""
        chosen = str(self["size"].value() or "").casefold()
        large = sizes.too_large(self.who) if isinstance(self.who, Actor) else set()
        return [
            {"size": size, "chosen": size.name.casefold() == chosen, "too_large": size.pk in large}
            for size in sizes.find_sizes()
        ]

    @property
    def own_size(self) -> bool:
        return bool(self["size"].value() == sizes.OWN)

    def chosen(self, *names: str) -> list[str]:
        """What is chosen in these fields, as they call it."""
        given = {name: str(self[name].value() or "") for name in names}
        return [dict(self.fields[name].choices).get(value, "") for name, value in given.items() if value]  # type: ignore[attr-defined]

    @property
    def where(self) -> list[str]:
        return self.chosen("host", "pool", "network")

    @property
    def machine(self) -> list[str]:
        return self.chosen("os", "firmware")

    def wish(self) -> Wish:
        """What is asked for; only after is_valid()."""
        given = self.cleaned_data
        source = given["source"]
        own = given["size"] == sizes.OWN
        network = given["network"]
        return Wish(
            name=given["name"],
            host=number(given["host"]),
            size="" if own else given["size"],
            cpus=(own and given["cpus"]) or 0,
            memory_mib=(own and given["memory"]) or 0,
            os=given["os"],
            disks=(self.disk_wish(source, (own and given["disk"]) or 0),),
            networks=None if not network else () if network == "none" else (int(network),),
            install=number(given["iso"]) if source == "iso" else None,
            pxe=source == "pxe",
            drivers=not given["plain"],
            firmware=given["firmware"],
            count=given["count"] or 1,
            start="only" not in self.data,
            seed=self.seed_wish_or_none() if source in ("image", "template") else None,
        )

    def disk_wish(self, source: str, gib: int) -> DiskWish:
        given = self.cleaned_data
        if source == "volume":
            return DiskWish(volume=number(given["volume"]))
        if source == "template":
            linked = given["backing"] != "full"
            return DiskWish(number(given["pool"]), gib * GIB, linked=linked, template=number(given["template"]))
        image = number(given["image"]) if source == "image" else None
        return DiskWish(
            number(given["pool"]), gib * GIB, image, linked=bool(image and given["linked"])
        )  # fmt: skip

    def seed_wish_or_none(self) -> SeedWish | None:
        """What is answered for the first boot; None where nothing is."""
        made = self.seed_wish()
        return None if made == SeedWish(keep=made.keep) else made

    def clean(self) -> dict[str, Any]:
        """Something to install from, where that was said."""
        given = super().clean() or {}
        source = given.get("source", "")
        if source in ("image", "iso", "volume", "template") and not given.get(source) and source not in self.errors:
            self.add_error(source, field_sentence("missing"))
        return given

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
            if code == "vm_disk_small":
                field = "disk" if self.own_size else "size"
            if field == "pool" and code in ("vm_disk_used", "vm_no_disk_image"):
                field = "volume" if code == "vm_disk_used" else "image"
            if code.startswith("template_"):
                field = "disk" if code == "template_small" else "template"
            self.add_error(field if field in self.fields else None, field_sentence(code))


def number(text: str) -> int | None:
    return int(text) if text else None
