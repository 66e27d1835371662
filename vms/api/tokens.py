"""API tokens: their owner makes and ends them by a session, administrators end those of others."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.users import find as find_user
from vms.models import ApiToken
from vms.services import tokens

router = Router(tags=["tokens"])

Scope = Annotated[str, Field(max_length=40)]


class TokenItem(BaseModel):
    """scopes: roles, "all", and privileges by name (see /roles). prefix: its first characters. It can do what is in its
    scopes and what its user may at that moment; what equals root on a host only where a scope names it."""

    id: int
    user: str
    name: str
    prefix: str
    scopes: list[str]
    made_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_address: str


class TokenWish(BaseModel):
    """A token of your own; days from 1 to 365."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=300)
    scopes: list[Scope] = Field(max_length=100)
    days: int = tokens.DAYS


class TokenMade(TokenItem):
    """token is the token itself, which is shown here only."""

    token: str


def item(token: ApiToken) -> TokenItem:
    return TokenItem(
        id=token.pk,
        user=token.user.get_username(),
        name=token.name,
        prefix=token.prefix,
        scopes=token.scope_names,
        made_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        last_address=token.last_address,
    )


def find(request: HttpRequest, pk: int) -> ApiToken:
    token = tokens.get_token(actor(request), pk)
    if token is None:
        raise Http404
    return token


@router.get("", response=answers(200, Listing[TokenItem], 403, 404), summary="Yours that live; not by a token")
def index(
    request: HttpRequest,
    user: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Listing[TokenItem]:
    """user: of another one, by his id, for administrators."""
    who = actor(request)
    tokens.require_person(who)
    of = find_user(who, user) if user not in (None, who.user.pk) else who.user
    rows = tokens.visible_tokens(who, of)
    return listing(rows, lambda found: [item(token) for token in found], page, page_size, timezone.now())


@router.get("/{int:token_id}", response=answers(200, TokenItem, 403, 404), url_name="token", summary="One")
def show(request: HttpRequest, token_id: int) -> TokenItem:
    return item(find(request, token_id))


@router.post("", response=answers(201, TokenMade, 400, 403), summary="Make one; by a session, not by a token")
def make(request: HttpRequest, body: TokenWish, response: HttpResponse) -> Status[TokenMade]:
    token, text = tokens.make(actor(request), name=body.name.strip(), scopes=body.scopes, days=body.days)
    response["Location"] = reverse("api-1:token", args=[token.pk])
    return Status(201, TokenMade(**item(token).model_dump(), token=text))


@router.delete("/{int:token_id}", response=answers(204, None, 403, 404), summary="Revoke it; by a session")
def revoke(request: HttpRequest, token_id: int) -> Status[None]:
    tokens.end(actor(request), find(request, token_id))
    return Status(204, None)
