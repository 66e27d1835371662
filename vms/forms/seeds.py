"""What is entered for cloud-init."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy, ngettext

from vms.errors import BadFields, BadSeed
from vms.models import Seed
from vms.permissions import Who, account
from vms.services import seeds
from vms.services.seeds import SeedWish
from vms.services.sentences import field_sentence, sentence


class FirstBoot(forms.Form):
    """What is left empty stays as the image has it."""

    user = forms.CharField(
        label=gettext_lazy("Log in as"),
        max_length=32,
        required=False,
        help_text=gettext_lazy("Empty: the image's own."),
    )
    my_keys = forms.BooleanField(label=gettext_lazy("With the keys of my account"), required=False)
    password = forms.CharField(
        label=gettext_lazy("Password"), max_length=200, required=False,
        help_text=gettext_lazy("Note it now: it is shown nowhere again."),
    )  # fmt: skip
    keys = forms.CharField(label=gettext_lazy("Other keys, one in each line"), max_length=100_000, required=False)
    hostname = forms.CharField(
        label=gettext_lazy("Host name"), max_length=253, required=False, help_text=gettext_lazy("Empty: the VM's name.")
    )
    packages = forms.CharField(label=gettext_lazy("Packages"), max_length=10_000, required=False)
    commands = forms.CharField(label=gettext_lazy("Commands, run once as root"), max_length=100_000, required=False)
    address = forms.CharField(
        label=gettext_lazy("Address"), max_length=60, required=False,
        help_text=gettext_lazy("With its prefix, like 192.168.1.10/24; empty: by DHCP."),
    )  # fmt: skip
    gateway = forms.CharField(label=gettext_lazy("Gateway"), max_length=60, required=False)
    resolvers = forms.CharField(label=gettext_lazy("DNS servers"), max_length=300, required=False)
    user_data = forms.CharField(
        label=gettext_lazy("User data of your own"), max_length=65536, required=False, strip=False,
        help_text=gettext_lazy("It has the last word over all above."),
    )  # fmt: skip
    network_config = forms.CharField(
        label=gettext_lazy("Network configuration of your own"), max_length=65536, required=False, strip=False,
        help_text=gettext_lazy("In place of the address above. It begins with “version: 2”."),
    )  # fmt: skip
    keep = forms.BooleanField(label=gettext_lazy("Keep the disc with all this after the first boot"), required=False)

    def __init__(self, who: Who, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.who = who
        user = account(who)
        self.own_keys = seeds.own_keys(user) if user else ()

    def seed_wish(self) -> SeedWish:
        """What is answered; only after is_valid()."""
        given = self.cleaned_data
        return SeedWish(
            user=given["user"],
            keys=(*seeds.lines(given["keys"]), *(self.own_keys if given["my_keys"] else ())),
            password=given["password"],
            hostname=given["hostname"],
            packages=seeds.words(given["packages"]),
            commands=seeds.lines(given["commands"]),
            address=given["address"],
            gateway=given["gateway"],
            resolvers=seeds.words(given["resolvers"]),
            user_data=given["user_data"],
            network_config=given["network_config"],
            keep=given["keep"],
        )

    @property
    def answered(self) -> bool:
        """Whether something is answered beyond who may log in."""
        names = ("hostname", "packages", "commands", "address", "user_data", "network_config", "keep")
        return any(self[name].value() or self[name].errors for name in names)

    @property
    def said(self) -> list[str]:
        """What is answered beyond who may log in, in words."""
        told = {name: str(self[name].value() or "").strip() for name in self.fields}
        keys, packages, commands = (
            len(found)
            for found in (seeds.lines(told["keys"]), seeds.words(told["packages"]), seeds.lines(told["commands"]))
        )
        return [
            *([ngettext("{n} more key", "{n} more keys", keys).format(n=keys)] if keys else []),
            *(filter(None, (told["hostname"], told["address"]))),
            *([ngettext("{n} package", "{n} packages", packages).format(n=packages)] if packages else []),
            *([ngettext("{n} command", "{n} commands", commands).format(n=commands)] if commands else []),
            *([gettext("user data of your own")] if told["user_data"] else []),
            *([gettext("network configuration of your own")] if told["network_config"] else []),
            *([gettext("its disc stays")] if self["keep"].value() else []),
        ]

    @property
    def again(self) -> bool:
        """Whether a password was sent, which no page sends back."""
        return self.is_bound and bool(self["password"].value())

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            self.add_error(name if name in self.fields else None, field_sentence(code))

    def refuse_file(self, bad: BadSeed) -> None:
        """Say at its field why it can't be read, and in which line."""
        self.add_error(str(bad.params["field"]), sentence(bad.code, bad.params))


def as_told(seed: Seed | None) -> dict[str, Any]:
    """The answers that may be shown, for the form; the others are kept nowhere."""
    told = seed.told if seed else {}
    return {
        **{name: told.get(name, "") for name in ("user", "hostname", "address", "gateway")},
        **{name: " ".join(told.get(name, [])) for name in ("packages", "resolvers")},
        "my_keys": not told or bool(told.get("keys")),
        "keep": bool(seed and seed.keep),
    }
