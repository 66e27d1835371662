"""Accounts, for administrators; whoever asks learns here who he is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import Nothing
from vms.models import Invitation, User
from vms.permissions import Who
from vms.services import users

router = Router(tags=["users"])
me_router = Router(tags=["users"])

Text = Annotated[str, Field(max_length=300)]
Words = Annotated[str, Query(max_length=300)]


class Me(BaseModel):
    """token is the beginning of the one that asks and scopes what it may be used for, empty for a session."""

    id: int
    name: str
    administrator: bool
    token: str
    scopes: list[str]


class UserItem(BaseModel):
    """invited_until: a link to set the password works until then. seen_at: when a session that lives was last used."""

    id: int
    name: str
    mail: str
    administrator: bool
    active: bool
    added_at: datetime
    signed_in_at: datetime | None
    seen_at: datetime | None
    invited_until: datetime | None


class UserWish(BaseModel):
    """An account to add; nobody can sign in to it before the link of its invitation was used."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    mail: Text = ""
    administrator: bool = False


class UserChange(BaseModel):
    """What is to be changed; the rest stays. active: false ends sessions, consoles, invitation and tokens."""

    model_config = ConfigDict(extra="forbid")

    administrator: bool = False
    active: bool = True


class InvitationItem(BaseModel):
    """A link that sets the password once, and that is shown here only; any before it opens nothing any more."""

    user: int
    link: str
    until: datetime


def item(user: User) -> UserItem:
    invitation = getattr(user, "invitation", None)
    return UserItem(
        id=user.pk,
        name=user.get_username(),
        mail=user.email,
        administrator=user.is_administrator,
        active=user.is_active,
        added_at=user.date_joined,
        signed_in_at=user.last_login,
        seen_at=user.seen_at,  # type: ignore[attr-defined]
        invited_until=invitation.expires_at if invitation and invitation.expires_at > timezone.now() else None,
    )


def find(who: Who, user_id: int) -> User:
    """The account; Http404 where there is none, NotAllowed before that can be told."""
    found = users.find_users(who).filter(pk=user_id).first()
    if found is None:
        raise Http404
    return found


def invited(request: HttpRequest, user: User, token: str) -> InvitationItem:
    until = Invitation.objects.get(user=user).expires_at
    return InvitationItem(user=user.pk, link=users.link(request, token), until=until)


@me_router.get("", response=answers(200, Me), summary="Who you are here")
def me(request: HttpRequest) -> Me:
    who = actor(request)
    return Me(
        id=who.user.pk,
        name=who.user.get_username(),
        administrator=who.user.is_administrator,
        token=who.token.prefix if who.token else "",
        scopes=who.token.scope_names if who.token else [],
    )


@router.get("", response=answers(200, Listing[UserItem], 403), summary="All, by name; q is part of a name or address")
def index(request: HttpRequest, q: Words = "", page: PageNumber = 1, page_size: PageSize = 50) -> Listing[UserItem]:
    found = users.find_users(actor(request), q.replace("\0", "").strip())
    return listing(found, lambda rows: [item(user) for user in rows], page, page_size, timezone.now())


@router.get("/{int:user_id}", response=answers(200, UserItem, 403, 404), url_name="user", summary="One")
def show(request: HttpRequest, user_id: int) -> UserItem:
    return item(find(actor(request), user_id))


@router.post("", response=answers(201, InvitationItem, 400, 403), summary="Add one; by a session, not by a token")
def add(request: HttpRequest, body: UserWish, response: HttpResponse) -> Status[InvitationItem]:
    user, token = users.add(actor(request), body.name.strip(), body.mail.strip(), administrator=body.administrator)
    response["Location"] = reverse("api-1:user", args=[user.pk])
    return Status(201, invited(request, user, token))


@router.patch(
    "/{int:user_id}",
    response=answers(200, UserItem, 400, 403, 404, 409),
    summary="Switch it on or off, make it an administrator or not; by a session",
)
def change(request: HttpRequest, user_id: int, body: UserChange) -> UserItem:
    who = actor(request)
    user = find(who, user_id)
    with transaction.atomic():
        if "administrator" in body.model_fields_set:
            (users.promote if body.administrator else users.demote)(who, user)
        if "active" in body.model_fields_set:
            (users.enable if body.active else users.disable)(who, user)
    return item(find(who, user_id))


@router.post(
    "/{int:user_id}/invite",
    response=answers(201, InvitationItem, 400, 403, 404, 409),
    summary="Make a new link to set the password; by a session",
)
def invite(request: HttpRequest, user_id: int, body: Nothing = None) -> Status[InvitationItem]:
    user = find(actor(request), user_id)
    return Status(201, invited(request, user, users.invite(actor(request), user)))


@router.post(
    "/{int:user_id}/sign-out",
    response=answers(204, None, 400, 403, 404),
    summary="End its sessions and their consoles; by a session. Its tokens stay",
)
def sign_out(request: HttpRequest, user_id: int, body: Nothing = None) -> Status[None]:
    users.sign_out(actor(request), find(actor(request), user_id))
    return Status(204, None)
