"""A secret is sealed where it is typed and opened only by the other half of the key."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from vms.errors import SecretUnreadable
from vms.models import AlertSink, AuditEvent, Host
from vms.services import sealing
from vms.virt.unsealing import unseal

KEY = str(settings.ENVIRONMENT.key_file)


def test_it_opens_for_what_it_was_sealed_for_and_nothing_else() -> None:
    sealed = sealing.seal("the secret ü", "host:3:key")
    assert "secret" not in sealed
    assert unseal(sealed, "host:3:key", KEY) == "the secret ü"
    with pytest.raises(SecretUnreadable):
        unseal(sealed, "host:4:key", KEY)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealing.ensure_keys(tmp_path / "other", tmp_path / "other.pub")
    with pytest.raises(SecretUnreadable):
        unseal(sealing.seal("x", "host:3:key"), "host:3:key", str(tmp_path / "other"))


def test_what_was_changed_or_cut_does_not_open() -> None:
    sealed = sealing.seal("x", "host:3:key")
    for bad in (sealed[:-8], sealed[:20] + "AAAA" + sealed[24:], "", "1:", "1:not base64"):
        with pytest.raises(SecretUnreadable):
            unseal(bad, "host:3:key", KEY)


def test_the_pair_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    private, public = tmp_path / "key", tmp_path / "key.pub"
    sealing.ensure_keys(private, public)
    made = private.read_bytes(), public.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    public.unlink()
    sealing.ensure_keys(private, public)
    assert (private.read_bytes(), public.read_bytes()) == made


def test_an_older_generation_opens_until_it_is_out_of_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = tmp_path / "key", tmp_path / "key.pub"
    sealing.ensure_keys(private, public)
    monkeypatch.setattr(type(settings.STATE), "sealing_key", public)
    old = sealing.seal("old", "host:3:key")
    assert sealing.add_key(private, public) == "2"
    new = sealing.seal("new", "host:3:key")
    assert (old.partition(":")[0], new.partition(":")[0]) == ("1", "2")
    assert [unseal(text, "host:3:key", str(private)) for text in (old, new)] == ["old", "new"]
    sealing.retire_keys(private)
    assert unseal(new, "host:3:key", str(private)) == "new"
    assert private.stat().st_mode & 0o777 == 0o600
    for bad in (old, "3" + new[1:], "-" + new, "x" + new[1:]):
        with pytest.raises(SecretUnreadable):
            unseal(bad, "host:3:key", str(private))
    sealing.ensure_keys(private, public)
    assert sealing.seal("x", "y").startswith("2:")


def test_a_pair_of_the_first_kind_is_generation_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = tmp_path / "key", tmp_path / "key.pub"
    sealing.ensure_keys(private, public)
    public.write_bytes(public.read_bytes()[: sealing.LENGTH])
    monkeypatch.setattr(type(settings.STATE), "sealing_key", public)
    assert unseal(sealing.seal("x", "y"), "y", str(private)) == "x"


@pytest.fixture
def own_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pair of this test's own; its private half."""
    private, public = tmp_path / "key", tmp_path / "key.pub"
    sealing.ensure_keys(private, public)
    monkeypatch.setattr(type(settings.STATE), "sealing_key", public)
    monkeypatch.setattr(settings, "ENVIRONMENT", replace(settings.ENVIRONMENT, key_file=private))
    return private


@pytest.mark.django_db
def test_the_command_seals_everything_anew(own_pair: Path, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(sealed=sealing.seal("the key", host.sealed_for))
    keyless = Host.objects.create(name="keyless", node="node-a")
    sink = AlertSink.objects.create(name="pager", kind="webhook", least="warning")
    AlertSink.objects.filter(pk=sink.pk).update(sealed=sealing.seal("a key to sign", sink.sealed_for))
    before = own_pair.read_bytes()
    call_command("renew_sealing_key", stdout=StringIO())
    host.refresh_from_db()
    assert host.sealed.startswith("2:")
    assert unseal(host.sealed, host.sealed_for, str(own_pair)) == "the key"
    sink.refresh_from_db()
    assert unseal(sink.sealed, sink.sealed_for, str(own_pair)) == "a key to sign"
    assert before not in own_pair.read_bytes()
    keyless.refresh_from_db()
    assert keyless.sealed == ""
    assert AuditEvent.objects.get(action="renewed:sealing-key").facts == {"generation": "2", "unreadable": []}


@pytest.mark.django_db
def test_what_cannot_be_opened_is_named_and_nothing_goes_out_of_use(own_pair: Path, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(sealed=sealing.seal("the key", host.sealed_for))
    moved = Host.objects.create(name="moved", node="node-a", sealed=sealing.seal("x", "host:0:key"))
    before = own_pair.read_bytes()
    with pytest.raises(CommandError, match="moved"):
        call_command("renew_sealing_key", stdout=StringIO())
    assert own_pair.read_bytes().startswith(before)
    moved.refresh_from_db()
    assert moved.sealed.startswith("1:")
