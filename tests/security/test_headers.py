"""What every answer tells the browser: trust nothing but this site, and do not be framed."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.test import Client, override_settings

from tests.routes import World, address, routes
from tests.security.conftest import Ask
from vms.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
WORLD_STANDS = True

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
    "manifest-src": "'self'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
# xterm makes style elements, which the serial page alone takes by its nonce.
NONCE = re.compile(r" 'nonce-[A-Za-z0-9+/]{22}=='$")
TELLING = re.compile(r"django|python|uvicorn|nginx|ninja", re.IGNORECASE)


@pytest.mark.parametrize("route", routes())
def test_every_answer_carries_them(route: str, ask: Ask, world: World) -> None:
    path = address(route, world.values(route))
    for who in ("nobody", "alice"):
        for method in ("GET", "POST", "DELETE"):
            answer = ask(who, method, path)
            said = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";") if part)
            if route == "vms/<int:pk>/serial/" and answer.status_code == 200:
                said["style-src"] = NONCE.sub("", said["style-src"])
            assert said == POLICY
            assert {name: answer.get(name) for name in HEADERS} == HEADERS
            assert not {"Server", "X-Powered-By", "Via", "Access-Control-Allow-Origin"} & set(answer.headers)
            assert not TELLING.search(str(answer.headers))


def test_the_serial_pages_nonce_is_another_each_time(ask: Ask, world: World) -> None:
    path = address("vms/<int:pk>/serial/", world.values("vms/<int:pk>/serial/"))
    nonces = {
        re.findall("nonce-[^']+", ask("alice", "GET", path)["Content-Security-Policy"])[0] for _ in range(3)
    }  # fmt: skip
    assert len(nonces) == 3


@pytest.mark.parametrize("route", [route for route in routes() if not route.startswith(("api/", "audit/export"))])
def test_no_page_has_inline_script_or_style_or_anything_from_outside(route: str, ask: Ask, world: World) -> None:
    page = ask("alice", "GET", address(route, world.values(route))).content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", page)
    assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:", page)
    assert not re.search(r"""(src|href|action)\s*=\s*["']?(https?:)?//""", page)


def test_an_unknown_host_is_refused() -> None:
    assert Client().get("/accounts/login/", headers={"Host": "evil.example"}).status_code == 400


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(alice: User) -> None:
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "alice", "password": "correct horse battery"})
    assert {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME} <= set(client.cookies)
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        cookie = client.cookies[name]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
        assert settings.INSTANCE in name


@override_settings(SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True)
def test_cookies_go_over_tls_only_where_there_is_tls(alice: User) -> None:
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    client.get("/accounts/login/", secure=True)
    client.post("/accounts/login/", {"login": "alice", "password": "correct horse battery"}, secure=True)
    assert all(client.cookies[name]["secure"] for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME))


def test_tls_decides_over_names_and_flags() -> None:
    """In a process of its own, because settings are read once."""
    import os
    import subprocess
    import sys
    import tempfile

    question = (
        "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME[:7], s.CSRF_COOKIE_NAME[:7],"
        " s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, '*' in s.ALLOWED_HOSTS, s.DEBUG)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "KVMWEB_BIND": "0.0.0.0", "KVMWEB_STATE_DIR": f"{folder}/s",
            "DJANGO_SETTINGS_MODULE": "kvmweb.settings",
        }  # fmt: skip
        said = subprocess.check_output([sys.executable, "-c", question], env=environment, text=True)
    assert said.split() == ["__Host-", "__Host-", "True", "True", "False", "False"]


@pytest.mark.django_db
def test_there_is_no_second_way_to_the_rows(client_alice: Client) -> None:
    """Django's admin would lead past services, rights and audit."""
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    assert client_alice.get("/admin/").status_code == 404
