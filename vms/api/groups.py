"""Groups of people and who is in them; changed by a session, never by a token."""

from __future__ import annotations

from typing import Annotated

from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.models import User
from vms.permissions import Who
from vms.services import groups

router = Router(tags=["rights"])

Words = Annotated[str, Query(max_length=300)]


class GroupItem(BaseModel):
    """members: how many are in it; grants: how many in force are given to it."""

    id: int
    name: str
    members: int
    grants: int


class GroupWish(BaseModel):
    """A group's name: 1 to 150 signs that print; no other group's, whatever the capitals."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=300)


class Member(BaseModel):
    id: int
    name: str


def item(group: Group) -> GroupItem:
    return GroupItem(
        id=group.pk,
        name=group.name,
        members=group.members,  # type: ignore[attr-defined]
        grants=group.rights,  # type: ignore[attr-defined]
    )


def find(who: Who, group_id: int) -> Group:
    """The group; Http404 where there is none, NotAllowed before that can be told."""
    found = groups.find_groups(who).filter(pk=group_id).first()
    if found is None:
        raise Http404
    return found


def find_user(user_id: int) -> User:
    """Somebody to put in or take out; Http404 where there is none."""
    found = User.objects.filter(pk=user_id).first()
    if found is None:
        raise Http404
    return found


@router.get("", response=answers(200, Listing[GroupItem], 403), summary="All, by name; q is part of a name")
def index(request: HttpRequest, q: Words = "", page: PageNumber = 1, page_size: PageSize = 50) -> Listing[GroupItem]:
    found = groups.find_groups(actor(request), q.replace("\0", "").strip())
    return listing(found, lambda rows: [item(group) for group in rows], page, page_size, timezone.now())


@router.get("/{int:group_id}", response=answers(200, GroupItem, 403, 404), url_name="group", summary="One")
def show(request: HttpRequest, group_id: int) -> GroupItem:
    return item(find(actor(request), group_id))


@router.post("", response=answers(201, GroupItem, 400, 403), summary="Add one; by a session, not by a token")
def add(request: HttpRequest, body: GroupWish, response: HttpResponse) -> Status[GroupItem]:
    group = groups.add(actor(request), body.name)
    response["Location"] = reverse("api-1:group", args=[group.pk])
    return Status(201, item(find(actor(request), group.pk)))


@router.patch(
    "/{int:group_id}", response=answers(200, GroupItem, 400, 403, 404), summary="Give it another name; by a session"
)
def rename(request: HttpRequest, group_id: int, body: GroupWish) -> GroupItem:
    groups.rename(actor(request), find(actor(request), group_id), body.name)
    return item(find(actor(request), group_id))


@router.delete(
    "/{int:group_id}", response=answers(204, None, 403, 404), summary="Remove it with its grants; by a session"
)
def remove(request: HttpRequest, group_id: int) -> Status[None]:
    groups.remove(actor(request), find(actor(request), group_id))
    return Status(204, None)


@router.get("/{int:group_id}/members", response=answers(200, Listing[Member], 403, 404), summary="Its members, by name")
def members(request: HttpRequest, group_id: int, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[Member]:
    rows = groups.members(actor(request), find(actor(request), group_id))
    return listing(rows, lambda found: [member(user) for user in found], page, page_size, timezone.now())


def member(user: User) -> Member:
    return Member(id=user.pk, name=user.get_username())


@router.put(
    "/{int:group_id}/members/{int:user_id}",
    response=answers(204, None, 403, 404),
    summary="Put somebody into it, which gives him what it has; by a session",
)
def join(request: HttpRequest, group_id: int, user_id: int) -> Status[None]:
    group = find(actor(request), group_id)
    groups.join(actor(request), group, find_user(user_id).get_username())
    return Status(204, None)


@router.delete(
    "/{int:group_id}/members/{int:user_id}",
    response=answers(204, None, 403, 404),
    summary="Take somebody out of it; by a session",
)
def leave(request: HttpRequest, group_id: int, user_id: int) -> Status[None]:
    group = find(actor(request), group_id)
    groups.leave(actor(request), group, find_user(user_id))
    return Status(204, None)
