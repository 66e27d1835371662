"""A secret is sealed where it is typed and opened only by the other half of the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from vms.errors import SecretUnreadable
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
