"""Quotas, for administrators."""

from __future__ import annotations

from typing import Annotated

from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.grants import Holder
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.errors import BadFields
from vms.models import Quota, User
from vms.services import quotas

router = Router(tags=["rights"])

Amount = Annotated[int | None, Field(ge=0, le=2**63 - 1)]


class Limits(BaseModel):
    """vcpus and memory_kib are the most that the VMs may use, disk_bytes what their disks can become; null is no
    limit."""

    model_config = ConfigDict(extra="forbid")

    vms: Amount = None
    vcpus: Amount = None
    memory_kib: Amount = None
    disk_bytes: Amount = None
    snapshots: Amount = None


class Used(BaseModel):
    vms: int
    vcpus: int
    memory_kib: int
    disk_bytes: int
    snapshots: int


class QuotaItem(BaseModel):
    id: int
    of: Holder
    limits: Limits
    used: Used


class QuotaWish(BaseModel):
    """The quota of a user or a group, by exact name, as it is to be; one limit at least."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field("", max_length=150)
    group: str = Field("", max_length=150)
    limits: Limits


def item(quota: Quota) -> QuotaItem:
    subject: quotas.Subject = quota.user or quota.group  # type: ignore[assignment]
    return QuotaItem(
        id=quota.pk,
        of=Holder(kind="user" if quota.user else "group", name=str(subject)),
        limits=Limits(**{name: getattr(quota, name) for name in Limits.model_fields}),
        used=Used(**quotas.used(subject)),
    )


def find(request: HttpRequest, pk: int) -> Quota:
    """The quota; Http404 where there is none, NotAllowed before that can be told."""
    found = quotas.find_quotas(actor(request)).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


@router.get("", response=answers(200, Listing[QuotaItem], 403), summary="All, with what is used")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[QuotaItem]:
    rows = quotas.find_quotas(actor(request))
    return listing(rows, lambda found: [item(quota) for quota in found], page, page_size, timezone.now())


@router.get("/{int:quota_id}", response=answers(200, QuotaItem, 403, 404), summary="One")
def show(request: HttpRequest, quota_id: int) -> QuotaItem:
    return item(find(request, quota_id))


@router.post("", response=answers(200, QuotaItem, 400, 403), summary="Set one, in the place of what was")
def change(request: HttpRequest, body: QuotaWish) -> QuotaItem:
    who = actor(request)
    quotas.find_quotas(who)
    quota = quotas.change(who, subject(body), body.limits.model_dump())
    if quota is None:
        raise BadFields({"limits": "missing"})
    return item(find(request, quota.pk))


@router.delete("/{int:quota_id}", response=answers(204, None, 403, 404), summary="Take one away: no limit any more")
def remove(request: HttpRequest, quota_id: int) -> Status[None]:
    quota = find(request, quota_id)
    subject: quotas.Subject = quota.user or quota.group  # type: ignore[assignment]
    quotas.change(actor(request), subject, {})
    return Status(204, None)


def subject(wish: QuotaWish) -> quotas.Subject:
    """Whose quota is wished for. Raises BadFields."""
    if bool(wish.user) == bool(wish.group):
        raise BadFields({"user": "one_holder"})
    if wish.user:
        user = User.objects.filter(username=wish.user).first()
        if user is None:
            raise BadFields({"user": "unknown_user"})
        return user
    group = Group.objects.filter(name=wish.group).first()
    if group is None:
        raise BadFields({"group": "unknown_group"})
    return group
