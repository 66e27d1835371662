"""Forms for the parts of a machine, made of their lenses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.libvirtxml.shaping import DISK_BUSES, Lens, Part, Value
from vms.models import Network, Offer, StoragePool, Volume
from vms.services import systems
from vms.services.offered import label
from vms.services.sentences import field_sentence
from vms.services.shape_words import HELP, lens_word, own_word, value_word
from vms.services.shaping import AUTOSTART, CARD_MODELS

MIB: Final = 1024
KEPT: Final = "="
DEVICE: Final = gettext_lazy(
    "The host has it no more while the VM does. Of PCI all that is in its IOMMU group goes along, or nothing does."
)
FOLDER: Final = gettext_lazy(
    "By virtiofs. The VM gets memory that it shares with the folder's server, from its next start on. In the guest: "
    "mount -t virtiofs NAME /mnt"
)
NONE: Final = "no_password"
Choices = list[tuple[str, str]]


class Shaped(forms.Form):
    """The properties of one part. media, networks: (id, name) of what may be chosen. offered: of lenses
    that depend on the host, what it has. left_out: for which it has nothing, and which are shown only where they are
    on."""

    def __init__(
        self,
        part: Part,
        values: Mapping[str, Value],
        now: Mapping[str, Value],
        data: Any = None,
        *,
        media: Sequence[tuple[int, str]] = (),
        networks: Sequence[Network] = (),
        may: frozenset[str] = frozenset(),
        offered: Mapping[str, Sequence[str]] | None = None,
        left_out: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(data)
        self.part, self.values = part, values
        others = {"medium": list(media), "network": [(one.pk, one.name) for one in networks]}
        for lens in part.lenses:
            if lens.privilege and lens.privilege not in may:
                continue
            if lens.name in left_out and not values[lens.name]:
                continue
            field = made(lens, values[lens.name], others.get(lens.form, []), (offered or {}).get(lens.name))
            field.label, field.initial = lens_word(lens.name), shown(lens, values[lens.name])
            field.help_text = gettext(HELP[lens.name]) if lens.name in HELP else ""
            if lens.name in now:
                field.help_text = gettext("Now: {value}; this is after a restart.").format(
                    value=value_word(lens.name, now[lens.name], own_word(lens.name))
                )
            self.fields[lens.name] = field
            if lens.form == "password":
                self.fields[NONE] = forms.BooleanField(
                    label=lens_word(NONE), required=False, help_text=gettext(HELP[NONE])
                )
        if AUTOSTART in values and "vm.force" in may:
            box = forms.BooleanField(label=lens_word(AUTOSTART), required=False, initial=values[AUTOSTART])
            self.fields[AUTOSTART] = box

    def filled(self, given: Mapping[str, str]) -> dict[str, Any]:
        """What would be sent with some numbers of it as they are given, the rest as it is; {} where none is given."""
        numbers = {
            lens.name: given[lens.name]
            for lens in self.part.lenses
            if lens.form in ("number", "size") and lens.name in self.fields and lens.name in given
        }
        now = {name: self.get_initial_for_field(field, name) for name, field in self.fields.items()}
        return {name: value for name, value in {**now, **numbers}.items() if value is not None} if numbers else {}

    def wished(self) -> dict[str, Any]:
        """What is otherwise than it is, in the words of lenses; only after is_valid()."""
        found: dict[str, Any] = {}
        for name, value in self.cleaned_data.items():
            if name == NONE:
                if value:
                    found["password"] = ""
                continue
            lens = self.part.lens(name)
            is_box = isinstance(self.fields[name], forms.BooleanField)
            if not is_box and (name not in self.data or (value is None and lens and lens.required)):
                continue
            read = value if lens is None else back(lens, value, self.values[name])
            if read != self.values[name]:
                found[name] = read
        return found

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get(NONE) and found.get("password"):
            self.add_error("password", gettext("Either a new one or none."))
        return found

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))


def made(lens: Lens, value: Value, others: Sequence[tuple[int, str]], offered: Sequence[str] | None) -> forms.Field:
    """The field that the lens is entered by."""
    if lens.form in ("number", "size"):
        return forms.IntegerField(required=False, min_value=0)
    if lens.form == "flag":
        return forms.BooleanField(required=False)
    if lens.form in ("medium", "network"):
        empty = [("", gettext("nothing"))] if lens.form == "medium" else []
        there = [(KEPT, str(value))] if value else []
        chosen = [(str(pk), name) for pk, name in others if name != value]
        return forms.ChoiceField(required=False, choices=[*there, *empty, *chosen])
    if lens.form in ("choice", "offered"):
        choices = lens.choices if offered is None else offered
        words = [(one, value_word(lens.name, one, gettext("libvirt's own choice"))) for one in choices]
        if value not in choices:
            words.insert(0, (str(value), value_word(lens.name, value, gettext("libvirt's own choice"))))
        return forms.ChoiceField(required=False, choices=words)
    if lens.form == "password":
        # With its blanks: they are part of it.
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        return forms.CharField(required=False, max_length=lens.longest, strip=False, widget=widget)
    if lens.form == "lines":
        return forms.CharField(required=False, max_length=lens.longest, widget=forms.Textarea)
    return forms.CharField(required=False, max_length=lens.longest)


def shown(lens: Lens, value: Value) -> Any:
    if lens.form == "system":
        return systems.name_of(str(value))
    if lens.form == "size" and isinstance(value, int):
        return value // MIB
    return KEPT if lens.form in ("medium", "network") and value else value


def back(lens: Lens, entered: Any, value: Value) -> Any:
    """What was entered as the lens has it; what was not touched stays as exact as it was."""
    if lens.form == "size":
        if entered is None:
            return value if lens.required else None
        return value if entered == shown(lens, value) else entered * MIB
    if lens.form in ("medium", "network"):
        return value if entered == KEPT else int(entered) if entered else ""
    if lens.form == "system" and entered.strip() == shown(lens, value):
        return value
    return entered.replace("\r\n", "\n") if isinstance(entered, str) else entered


class Added(forms.Form):
    """What is said of a device that is added: of a disk or a card; others are as they are."""

    def __init__(
        self, sort: str, data: Any = None, *, disks: Sequence[Volume] = (), networks: Sequence[Network] = (),
        pools: Sequence[StoragePool] = (), offers: Sequence[Offer] = (),
    ) -> None:  # fmt: skip
        super().__init__(data)
        self.sort = sort
        if sort == "disk":
            self.fields["volume"] = forms.ChoiceField(
                label=gettext_lazy("Volume"), required=False,
                choices=[*([("", gettext("A new one"))] if pools else []), *((str(one.pk), one.name) for one in disks)],
                help_text=gettext_lazy("A new one, or a ready one that nothing uses."),
            )  # fmt: skip
            if pools:
                self.fields["pool"] = forms.ChoiceField(
                    label=gettext_lazy("Pool of a new one"), required=False,
                    choices=[(str(one.pk), one.name) for one in pools],
                )  # fmt: skip
                self.fields["size_gib"] = forms.IntegerField(
                    label=gettext_lazy("Size of a new one, GiB"), required=False, min_value=1, initial=20
                )
            self.fields["bus"] = forms.ChoiceField(label=lens_word("bus"), choices=[(one, one) for one in DISK_BUSES])
        if sort == "card":
            self.fields["network"] = forms.ChoiceField(
                label=lens_word("network"), choices=[(str(one.pk), one.name) for one in networks]
            )
            self.fields["model"] = forms.ChoiceField(
                label=lens_word("model"), choices=[(one, one) for one in CARD_MODELS]
            )

        if sort in ("hostdev", "folder"):
            self.fields["offer"] = forms.ChoiceField(
                label=gettext_lazy("Offered by administrators"), choices=[(str(one.pk), label(one)) for one in offers],
                help_text=FOLDER if sort == "folder" else DEVICE,
            )  # fmt: skip
        if any(one.kind == Offer.Kind.USB for one in offers):
            self.fields["by"] = forms.ChoiceField(
                label=gettext_lazy("USB device"), required=False,
                choices=[("product", gettext("by what it is, wherever it is plugged in")),
                         ("address", gettext("by its present address, until it is plugged in anew"))],
            )  # fmt: skip
            self.fields["policy"] = forms.ChoiceField(
                label=gettext_lazy("Where it is not plugged in"), required=False,
                choices=[("optional", gettext("the VM starts without it")),
                         ("mandatory", gettext("the VM does not start")),
                         ("requisite", gettext("the VM does not start, but moves here without it"))],
            )  # fmt: skip

    def said(self) -> dict[str, Any]:
        """Only after is_valid()."""
        given = self.cleaned_data
        left = ("pool", "size_gib") if given.get("volume") else ("volume",) if self.sort == "disk" else ()
        ids = ("volume", "network", "pool", "offer")
        return {
            name: int(value) if name in ids and value else value for name, value in given.items() if name not in left
        }

    def refuse(self, bad: BadFields) -> None:
        for name, code in bad.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))
