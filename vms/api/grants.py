"""Roles, grants and why somebody may do something."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from ninja import Query, Router, Status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Id, Listing, PageNumber, PageSize, listing
from vms.kinds.privileges import PRIVILEGES, ROLES
from vms.models import Grant, Role
from vms.permissions import Who, get_vm_or_404, seen_hosts
from vms.services import access, grants
from vms.services.grant_lines import host_of

roles_router = Router(tags=["rights"])
router = Router(tags=["rights"])
access_router = Router(tags=["rights"])


class RoleItem(BaseModel):
    """administrator is no role that can be granted: it is a mark of the account."""

    name: str
    means: str
    grantable: bool
    privileges: list[str]


class Holder(BaseModel):
    kind: Literal["user", "group"]
    name: str


class On(BaseModel):
    """What a grant is on: for a host, a pool, a network or a VM its id and name (null and "" where you may not see the
    host), for tag, name and prefix the text."""

    kind: Literal["everything", "host", "pool", "network", "vm", "tag", "name", "prefix"]
    id: int | None = None
    name: str = ""


class GrantItem(BaseModel):
    id: int
    to: Holder
    role: str
    on: On
    ends_at: datetime | None
    granted_by: str
    granted_at: datetime


class GrantWish(BaseModel):
    """To a user or a group, by exact name; on one of everything, host, pool, network, vm, tag and name, which
    may end in "*"."""

    model_config = ConfigDict(extra="forbid")

    role: str = Field(max_length=50)
    user: str = Field("", max_length=150)
    group: str = Field("", max_length=150)
    everything: bool = False
    host: int | None = Field(None, ge=1, le=2**63 - 1)
    pool: int | None = Field(None, ge=1, le=2**63 - 1)
    network: int | None = Field(None, ge=1, le=2**63 - 1)
    vm: int | None = Field(None, ge=1, le=2**63 - 1)
    tag: str = Field("", max_length=50)
    name: str = Field("", max_length=255)
    ends_at: AwareDatetime | None = None


class Why(BaseModel):
    """grants: those that give it; lacking: the privileges that nothing gives."""

    allowed: bool
    switched_off: bool
    administrator: bool
    grants: list[GrantItem]
    lacking: list[str]


def item(grant: Grant, who: Who) -> GrantItem:
    to = Holder(kind="user", name=grant.user.get_username()) if grant.user else None
    return GrantItem(
        id=grant.pk,
        to=to or Holder(kind="group", name=grant.group.name if grant.group else ""),
        role=grant.role.name,
        on=place(grant, who),
        ends_at=grant.ends_at,
        granted_by=grant.granted_by.get_username() if grant.granted_by else "",
        granted_at=grant.granted_at,
    )


def place(grant: Grant, who: Who) -> On:
    kind, host = grant.on, host_of(grant)
    if host and not seen_hosts(who, [host]):
        return On.model_validate({"kind": kind})
    thing = getattr(grant, kind)
    if kind in ("host", "pool", "network", "vm"):
        return On.model_validate({"kind": kind, "id": thing.pk, "name": thing.name})
    return On.model_validate({"kind": kind, "name": thing if kind != "everything" else ""})


@roles_router.get("", response=answers(200, Listing[RoleItem]), summary="What can be granted, and what it gives")
def roles(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[RoleItem]:
    found = [
        RoleItem(
            name=role.name,
            means=gettext(ROLES[role.name]) if role.name in ROLES else "",
            grantable=True,
            privileges=sorted(privilege.name for privilege in role.privileges.all()),
        )
        for role in Role.objects.order_by("pk").prefetch_related("privileges")
    ]
    means = gettext("has root on the hosts")
    found.append(RoleItem(name="administrator", means=means, grantable=False, privileges=sorted(PRIVILEGES)))
    start = (page - 1) * page_size
    return Listing(items=found[start : start + page_size], count=len(found), fresh_at=timezone.now())


@router.get("", response=answers(200, Listing[GrantItem], 403, 404), summary="Those in force; of one VM, or all")
def index(
    request: HttpRequest, vm: Id | None = None, page: PageNumber = 1, page_size: PageSize = 50
) -> Listing[GrantItem]:
    """All for administrators; with vm also for who may give rights there, by whatever they reach it."""
    who = actor(request)
    rows = grants.visible_grants(who, get_vm_or_404(who, vm) if vm is not None else None)
    return listing(rows, lambda found: [item(grant, who) for grant in found], page, page_size, timezone.now())


def find(request: HttpRequest, pk: int) -> Grant:
    grant = grants.get_grant(actor(request), pk)
    if grant is None:
        raise Http404
    return grant


@router.get("/{int:grant_id}", response=answers(200, GrantItem, 404), url_name="grant", summary="One")
def show(request: HttpRequest, grant_id: int) -> GrantItem:
    return item(find(request, grant_id), actor(request))


@router.post("", response=answers(201, GrantItem, 400, 403, 404), summary="Give a right; not by a token")
def give(request: HttpRequest, body: GrantWish, response: HttpResponse) -> Status[GrantItem]:
    grant = grants.give(actor(request), grants.Wish(**body.model_dump()))
    response["Location"] = reverse("api-1:grant", args=[grant.pk])
    return Status(201, item(find(request, grant.pk), actor(request)))


@router.delete("/{int:grant_id}", response=answers(204, None, 403, 404), summary="Take a right away; not by a token")
def take_away(request: HttpRequest, grant_id: int) -> Status[None]:
    grants.take_away(actor(request), find(request, grant_id))
    return Status(204, None)


@access_router.get("/why", response=answers(200, Why, 404), summary="Why somebody may do something, or why not")
def why(
    request: HttpRequest,
    user: Annotated[str, Query(max_length=150)],
    verb: Annotated[str, Query(max_length=40)],
    object: Annotated[str, Query(max_length=30)],
) -> Why:
    """verb: a privilege ("vm.power") or a kind of operation ("vm.start"); object: "vm:12", "host:3", "pool:4" or
    "network:5". About yourself, and about others where you may give rights."""
    who = actor(request)
    reason = access.why(who, user, verb, object)
    return Why(
        allowed=reason.allowed,
        switched_off=reason.switched_off,
        administrator=reason.administrator,
        grants=[item(grant, who) for grant in reason.grants],
        lacking=reason.lacking,
    )
