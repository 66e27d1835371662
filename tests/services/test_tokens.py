"""Making tokens, listing and ending them: who may, what is refused, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from vms.errors import BadFields, NeedsPerson, NotAllowed
from vms.kinds.privileges import TABLE
from vms.kinds.scopes import SCOPES
from vms.models import ApiToken, AuditEvent, User
from vms.permissions import Actor
from vms.services import tokens

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {"name": "backup", "scopes": ["operator", "vm.copy"]}


def test_its_owner_makes_it_and_is_told_it_once(alice: User) -> None:
    me = Actor(alice, session_key="s", address="192.0.2.1", authenticated_at=timezone.now())
    token, text = tokens.make(me, **GOOD, days=30)
    assert tokens.find(text) == token and token.scope_names == ["operator", "vm.copy"]
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    event = AuditEvent.objects.get()
    assert (event.action, event.user_name, event.address) == ("created:token", "alice", "192.0.2.1")
    assert event.facts["scopes"] == ["operator", "vm.copy"] and text not in str(event.facts)


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"name": ""}, {"name": "missing"}),
        ({"name": "x" * 101}, {"name": "label_long"}),
        ({"name": "two\nlines"}, {"name": "text"}),
        ({"name": "taken"}, {"name": "token_name"}),
        ({"scopes": []}, {"scopes": "missing"}),
        ({"scopes": ["viewer", "vm"]}, {"scopes": "scope"}),
        ({"scopes": ["viewer operator"]}, {"scopes": "scope"}),
        ({"scopes": ["administrator"]}, {"scopes": "scope"}),
        ({"days": 0}, {"days": "days"}),
        ({"days": 366}, {"days": "days"}),
        ({"name": "", "scopes": [], "days": -1}, {"name": "missing", "scopes": "missing", "days": "days"}),
    ],
)
def test_what_does_not_fit_is_named(alice: User, given: dict[str, Any], errors: dict[str, str]) -> None:
    tokens.create(alice, name="taken")
    with pytest.raises(BadFields) as refused:
        tokens.make(Actor(alice), **{**GOOD, **given})
    assert refused.value.errors == errors
    assert ApiToken.objects.count() == 1


def test_a_name_is_free_again_when_its_token_has_ended(alice: User, mallory: User) -> None:
    first, _ = tokens.make(Actor(alice), **GOOD)
    tokens.make(Actor(mallory), **GOOD)
    tokens.end(Actor(alice), first)
    second, _ = tokens.make(Actor(alice), **GOOD)
    ApiToken.objects.filter(pk=second.pk).update(expires_at=timezone.now())
    tokens.make(Actor(alice), **GOOD)


@pytest.mark.parametrize("privilege", [one.name for one in TABLE if one.root])
def test_what_equals_root_is_in_nobodys_token_but_an_administrators(privilege: str, alice: User, mallory: User) -> None:
    assert tokens.make(Actor(alice), name="root", scopes=[privilege])[0].scope_names == [privilege]
    with pytest.raises(BadFields) as refused:
        tokens.make(Actor(mallory), name="root", scopes=["viewer", privilege])
    assert refused.value.errors == {"scopes": "scope_root"}
    with pytest.raises(BadFields):
        tokens.create(mallory, scopes=[privilege])


def test_a_scope_beyond_what_is_held_today_is_no_fault(mallory: User) -> None:
    token, _ = tokens.make(Actor(mallory), name="later", scopes=["vm.delete"])
    assert token.scope_names == ["vm.delete"]


ASKED: dict[str, Callable[[Actor, ApiToken], Any]] = {
    "make": lambda actor, token: tokens.make(actor, **GOOD),
    "end": lambda actor, token: tokens.end(actor, token),
    "end itself": lambda actor, token: tokens.end(actor, actor.token) if actor.token else None,
    "list": lambda actor, token: tokens.visible_tokens(actor),
    "list another's": lambda actor, token: tokens.visible_tokens(actor, token.user),
    "get": lambda actor, token: tokens.get_token(actor, token.pk),
}


@pytest.mark.parametrize("ask", ASKED)
def test_a_token_makes_sees_and_ends_none(ask: str, alice: User, mallory: User) -> None:
    token, _ = tokens.create(alice, scopes=SCOPES)
    other, _ = tokens.create(mallory)
    before, told = list(ApiToken.objects.order_by("pk").values()), AuditEvent.objects.count()
    with pytest.raises(NeedsPerson):
        ASKED[ask](Actor(alice, token=token), other)
    assert list(ApiToken.objects.order_by("pk").values()) == before and AuditEvent.objects.count() == told


def test_tokens_are_their_owners_and_administrators_matter(alice: User, mallory: User) -> None:
    mine, _ = tokens.create(mallory, name="mine")
    theirs, _ = tokens.create(alice, name="theirs")
    me, admin = Actor(mallory), Actor(alice)
    assert list(tokens.visible_tokens(me)) == [mine] and tokens.get_token(me, mine.pk) == mine
    assert tokens.get_token(me, theirs.pk) is None and tokens.get_token(admin, mine.pk) == mine
    for call in (lambda: tokens.visible_tokens(me, alice), lambda: tokens.end(me, theirs)):
        with pytest.raises(NotAllowed):
            call()
    assert list(tokens.visible_tokens(admin, mallory)) == [mine]
    tokens.end(admin, mine)
    assert not tokens.visible_tokens(me).exists() and tokens.get_token(me, mine.pk) is None
    tokens.end(admin, mine)
    told = AuditEvent.objects.filter(action="revoked:token").values_list("user_name", "facts__owner")
    assert list(told) == [("alice", "mallory")]


def test_the_address_of_its_last_use_is_noted_and_another_one_at_once(alice: User) -> None:
    _, text = tokens.create(alice)

    def noted(address: str) -> tuple[str, bool]:
        before = ApiToken.objects.get().last_used_at
        tokens.find(text, address)
        row = ApiToken.objects.get()
        return row.last_address, row.last_used_at != before

    assert noted("192.0.2.1") == ("192.0.2.1", True)
    assert noted("192.0.2.1") == ("192.0.2.1", False)
    assert noted("192.0.2.2") == ("192.0.2.2", True)
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=70))
    assert noted("192.0.2.2") == ("192.0.2.2", True)
