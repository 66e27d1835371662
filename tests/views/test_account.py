"""One's own page: rights, time zone, sessions, SSH keys, the second step; and nothing of anybody else's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.test import Client

from tests.conftest import sign_in
from tests.grants import grant
from vms.models import AuditEvent, SshKey, User, VirtualMachine
from vms.services import factors
from vms.services.host_keys import fingerprint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis", "still")]


def public(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def told() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def code(secret: str, later: int = 0) -> str:
    return factors.code_of(secret, factors.this_interval() + later)


def set_up(browser: Client) -> tuple[str, list[str]]:
    """The secret and the recovery codes of an account that has a second step now."""
    page = browser.get("/account/two-step/set-up/").content.decode()
    found = re.search(r'data-copy="([A-Z2-7]{32})"', page)
    assert found
    answer = browser.post("/account/two-step/set-up/", {"code": code(found[1], -1)})
    assert "no-store" in answer["Cache-Control"]
    return found[1], re.findall(r"^(?:<pre[^>]*>)?(\d{8})$", answer.content.decode(), re.MULTILINE)


def test_it_says_what_one_may_and_names_nobody_else(
    client_alice: Client, client_mallory: Client, mallory: User, alice: User, vm: VirtualMachine
) -> None:
    given = grant(mallory, "operator", vm)
    given.granted_by = alice
    given.save()
    page = client_mallory.get("/account/").content.decode()
    assert "operator" in page and "VM web-01" in page and "alice" not in page and "host-a" not in page
    assert "You are an administrator" in client_alice.get("/account/").content.decode()
    assert "Take away" not in page


def test_every_part_leads_to_every_other(client_mallory: Client) -> None:
    parts = ("/account/", "/accounts/password/change/", "/account/two-step/", "/accounts/sessions/",
             "/account/tokens/", "/account/ssh-keys/")  # fmt: skip
    for here in parts:
        page = client_mallory.get(here).content.decode()
        assert f'<a href="{here}" aria-current="page">' in page
        assert [part for part in parts if f'<a href="{part}"' not in page] == []


def test_a_chosen_zone_goes_before_the_browsers(client_mallory: Client, mallory: User) -> None:
    client_mallory.cookies["kvmweb-zone"] = "Asia/Tokyo"
    User.objects.filter(pk=mallory.pk).update(date_joined="2026-01-01T00:00:00Z")
    assert "09:00" in client_mallory.get("/account/").content.decode()
    client_mallory.post("/account/time-zone/", {"time_zone": "Asia/Kolkata"})
    page = client_mallory.get("/account/").content.decode()
    assert "05:30" in page and "<option selected>Asia/Kolkata</option>" in page
    client_mallory.post("/account/time-zone/", {"time_zone": "../../etc/passwd"})
    assert User.objects.get(pk=mallory.pk).time_zone == "Asia/Kolkata"
    client_mallory.post("/account/time-zone/", {"time_zone": ""})
    assert "09:00" in client_mallory.get("/account/").content.decode()
    assert told() == ["chose:time-zone"] * 2


def test_one_session_is_ended_alone(mallory: User) -> None:
    here, there, elsewhere = sign_in(mallory), sign_in(mallory), sign_in(mallory)
    page = here.get("/accounts/sessions/").content.decode()
    assert len(re.findall(r'action="/sessions/\d+/end/"', page)) == 2
    pk = UserSession.objects.get(session_key=there.session.session_key).pk
    here.post(f"/sessions/{pk}/end/")
    assert [browser.get("/internal/session").status_code for browser in (here, there, elsewhere)] == [204, 401, 204]


@pytest.mark.parametrize("comment", ["", " laptop of mallory"])
def test_a_key_is_kept_without_its_comment(client_mallory: Client, comment: str) -> None:
    line = public(ed25519.Ed25519PrivateKey.generate())
    client_mallory.post("/account/ssh-keys/", {"key": f"{line}{comment}\r\n"})
    kept = SshKey.objects.get()
    assert (kept.key, kept.fingerprint) == (line, fingerprint(line))
    assert kept.name == (comment.strip() or "ssh-ed25519")
    assert kept.fingerprint in client_mallory.get("/account/ssh-keys/").content.decode()


def test_a_key_once_each_and_gone_when_removed(client_mallory: Client, client_alice: Client) -> None:
    line = public(rsa.generate_private_key(65537, 2048))
    client_mallory.post("/account/ssh-keys/", {"key": line, "name": "first"})
    assert "You have this key" in client_mallory.post("/account/ssh-keys/", {"key": line + " x"}).content.decode()
    assert client_alice.post("/account/ssh-keys/", {"key": line}).status_code == 302
    mine = SshKey.objects.get(user__username="mallory")
    assert client_alice.post(f"/account/ssh-keys/{mine.pk}/remove/").status_code == 404
    assert client_mallory.post(f"/account/ssh-keys/{mine.pk}/remove/").status_code == 302
    assert list(SshKey.objects.values_list("user__username", flat=True)) == ["alice"]
    assert told() == ["added:ssh-key", "added:ssh-key", "removed:ssh-key"]


def bad_lines() -> dict[str, tuple[str, str]]:
    """{why: (what is sent, what is said)}"""
    key = ed25519.Ed25519PrivateKey.generate()
    line = public(key)
    kind, blob = line.split()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return {
        "private": (private, "private key"),
        "private in one line": (private.replace("\n", ""), "private key"),
        "options": (f'command="sh" {line}', "no public key"),
        "two lines": (f"{line}\n{line}", "no public key"),
        "another type": (f"ssh-rsa {blob}", "no public key"),
        "cut": (f"{kind} {blob[:-8]}", "no public key"),
        "no base64": (f"{kind} ???", "no public key"),
        "more behind it": (f"{kind} {blob[:-4]}AAAAAAAA", "no public key"),
        "nul": (f"{line} a\0b", "no public key"),
        "long": (f"{line} {'x' * (17 << 10)}", "no public key"),
        "short rsa": (public(rsa.generate_private_key(65537, 1024)), "2048 bits"),
        "nothing": ("", "no public key"),
    }


@pytest.mark.parametrize("why", bad_lines())
def test_what_is_no_public_key_is_neither_kept_nor_shown_again(client_mallory: Client, why: str) -> None:
    sent, said = bad_lines()[why]
    page = client_mallory.post("/account/ssh-keys/", {"key": sent}).content.decode()
    assert said in page and "field-error" in page
    assert not SshKey.objects.exists() and told() == []
    assert not sent or sent.split()[-1][:30] not in page


def test_fifty_keys_are_the_most(client_mallory: Client, mallory: User) -> None:
    SshKey.objects.bulk_create(
        [SshKey(user=mallory, name="x", key="x", fingerprint=str(number)) for number in range(50)]
    )
    line = public(ed25519.Ed25519PrivateKey.generate())
    assert "50 keys" in client_mallory.post("/account/ssh-keys/", {"key": line}).content.decode()


def test_the_second_step_is_set_up_renewed_and_switched_off(client_mallory: Client, mallory: User) -> None:
    assert "password alone" in client_mallory.get("/account/two-step/").content.decode()
    secret, codes = set_up(client_mallory)
    assert len(codes) == 10
    page = client_mallory.get("/account/two-step/").content.decode()
    assert "10 recovery codes are left" in page and secret not in page and codes[0] not in page
    answer = client_mallory.post("/account/two-step/codes/", {"renew-code": code(secret)})
    assert "Your recovery codes" in answer.content.decode() and codes[0] not in answer.content.decode()
    refused = client_mallory.post("/account/two-step/off/", {"off-code": codes[0]})
    assert "opens nothing" in refused.content.decode() and factors.is_on(mallory)
    client_mallory.post("/account/two-step/off/", {"off-code": code(secret, 1)})
    assert not Authenticator.objects.exists()
    assert told() == ["activated:factor", "made:recovery-codes", "made:recovery-codes", "deactivated:factor"]


def test_a_wrong_code_sets_nothing_up_and_the_secret_stays(client_mallory: Client) -> None:
    pages = [client_mallory.get("/account/two-step/set-up/").content.decode()]
    pages += [client_mallory.post("/account/two-step/set-up/", {"code": "000000"}).content.decode()]
    shown = {re.search(r'data-copy="([A-Z2-7]{32})"', page)[1] for page in pages}  # type: ignore[index]
    assert len(shown) == 1 and "opens nothing" in pages[1] and not Authenticator.objects.exists()


def test_other_browsers_are_signed_out_by_it(mallory: User) -> None:
    here, there = sign_in(mallory), sign_in(mallory)
    set_up(here)
    assert here.get("/internal/session").status_code == 204 and there.get("/internal/session").status_code == 401


def test_an_administrator_takes_it_away_and_nobody_else(client_alice: Client, client_mallory: Client) -> None:
    set_up(client_mallory)
    mallory = User.objects.get(username="mallory")
    path = f"/users/{mallory.pk}/"
    assert "reset-factors" in client_alice.get(path).content.decode()
    assert client_mallory.post(f"{path}reset-factors/").status_code == 403 and factors.is_on(mallory)
    client_alice.post(f"{path}reset-factors/")
    assert not Authenticator.objects.exists() and told()[-1] == "reset:factor"
    assert "reset-factors" not in client_alice.get(path).content.decode()


def test_the_picture_is_an_image_of_the_page_itself(client_mallory: Client) -> None:
    page = client_mallory.get("/account/two-step/set-up/")
    assert 'src="data:image/svg+xml;base64,' in page.content.decode() and "no-store" in page["Cache-Control"]


def test_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, the last six digits of its eight."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    known = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert {at: factors.code_of(secret, at // 30) for at in known} == known


def test_templates_show_no_key_that_was_pasted() -> None:
    template = Path(__file__).parents[2] / "templates/account/ssh_keys.html"
    assert re.search(r"<textarea[^<]*></textarea>", template.read_text())
