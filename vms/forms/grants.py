"""What is entered of a grant, and the question why somebody may do something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields, NotAllowed
from vms.kinds.privileges import ROLES, TABLE
from vms.models import Role, VirtualMachine
from vms.permissions import (
    Actor,
    may_grant,
    on_vm,
    visible_hosts,
    visible_networks,
    visible_pools,
    visible_vms,
)
from vms.services import tags
from vms.services.grants import Wish
from vms.services.sentences import field_sentence

# The field of the page for that of the service, where they differ.
SHOWN_AT = {"user": "to", "group": "to", "on": "what", "tags": "what"}


class Give(forms.Form):
    """A role for a user or a group, on one VM that is known already."""

    kind = forms.ChoiceField(
        label=gettext_lazy("To"), choices=[("user", gettext_lazy("a user")), ("group", gettext_lazy("a group"))]
    )
    to = forms.CharField(label=gettext_lazy("Name"), max_length=150)
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    ends_at = forms.DateTimeField(
        label=gettext_lazy("Until, if not for ever"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, roles: Iterable[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["role"]
        field.choices = [(role.name, role_words(role)) for role in roles]

    def wish(self, vm: VirtualMachine) -> Wish:
        """What is asked for; only after is_valid()."""
        return Wish(vm=vm.pk, **self.whom())

    def whom(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {given["kind"]: given["to"], "role": given["role"], "ends_at": given["ends_at"]}

    def refuse(self, refused: BadFields | NotAllowed) -> None:
        """Say at its field what the service refused."""
        if isinstance(refused, NotAllowed):
            self.add_error("role", gettext("You may not give this role here."))
            return
        for name, code in refused.errors.items():
            at = SHOWN_AT.get(name, name)
            self.add_error(at if at in self.fields else None, field_sentence(code))


class GiveAnywhere(Give):
    """The same on whatever is named."""

    on = forms.ChoiceField(
        label=gettext_lazy("On"),
        choices=[
            ("everything", gettext_lazy("everything")),
            ("host", gettext_lazy("a host and its VMs")),
            ("pool", gettext_lazy("a storage pool")),
            ("network", gettext_lazy("a network")),
            ("vm", gettext_lazy("a VM")),
            ("tag", gettext_lazy("VMs with a tag")),
            ("name", gettext_lazy("VMs called so")),
        ],
    )
    what = forms.CharField(
        label=gettext_lazy("Called"),
        required=False,
        max_length=255,
        help_text=gettext_lazy(
            "The host, VM, tag or name; web-* for names that begin so; host/pool, host/network. Empty for everything."
        ),
    )
    field_order = ("kind", "to", "role", "on", "what", "ends_at")

    def anywhere(self, actor: Actor) -> Wish:
        """What is asked for; only after is_valid(). Raises BadFields for a host or VM that is not found by its name."""
        on, what = self.cleaned_data["on"], self.cleaned_data["what"]
        if (on == "everything") == bool(what):
            raise BadFields({"on": "one_thing"})
        if on == "everything":
            return Wish(everything=True, **self.whom())
        if on == "tag" and what:
            tags.read([what])
        if on in ("tag", "name"):
            return Wish(**{on: what}, **self.whom())
        found = list(called(actor, on, what).order_by("pk").values_list("pk", flat=True)[:2])
        if len(found) != 1:
            raise BadFields({"on": "many_called" if found else "none_called"})
        return Wish(**{on: found[0]}, **self.whom())


def called(actor: Actor, on: str, what: str) -> QuerySet[Any]:
    """The hosts, VMs, pools or networks of that name that he may name; the latter two behind their host's."""
    if on in ("host", "vm"):
        return (visible_hosts(actor) if on == "host" else visible_vms(actor)).filter(name=what)
    host, _, name = what.rpartition("/")
    there = visible_pools(actor) if on == "pool" else visible_networks(actor)
    return there.filter(host__name=host, name=name)


class Why(forms.Form):
    """Whether somebody may do something here."""

    user = forms.CharField(label=gettext_lazy("Who"), max_length=150)
    verb = forms.ChoiceField(label=gettext_lazy("May do what"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["verb"]
        field.choices = [(one.name, gettext(one.means)) for one in TABLE if one.noun == "vm"]


def role_words(role: Role) -> str:
    return f"{role.name}: {gettext(ROLES[role.name])}" if role.name in ROLES else role.name


def roles_for(actor: Actor, vm: VirtualMachine | None = None) -> list[Role]:
    """The roles that he may give on the VM and that give something there; on anything, for None."""
    roles = Role.objects.order_by("pk")
    return [role for role in roles if may_grant(actor, role, vm) and (vm is None or on_vm(role, vm))]
