"""The front: a real nginx with our configuration, before something that tells what it was asked."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from kvmweb import environment
from kvmweb.environment import BadSetting, Environment, State
from kvmweb.supervisor import nginx
from kvmweb.supervisor.certificate import Certificate, generated
from tests.supervisor.conftest import eventually
from tests.supervisor.upstream import Upstream

NAMES = ["localhost", "127.0.0.1", "[::1]", "box"]
OWNER = "root" if os.geteuid() == 0 else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Front:
    """A running nginx and what it may be asked."""

    def __init__(self, site: Environment, certificate: Certificate | None) -> None:
        self.site = site
        self.tls = certificate is not None
        static = site.state.root / "static"
        static.mkdir()
        (static / "app-1.js").write_text("// " + "x" * 2000)
        self.upstreams = [Upstream(site.state.socket(name)) for name in ("web", "console", "transfer")]
        path = nginx.write(site, NAMES, static, certificate, OWNER)
        command = ["nginx", "-e", "stderr", "-p", str(site.state.root), "-c", str(path)]
        subprocess.run([*command, "-t"], executable="/usr/sbin/nginx", check=True, capture_output=True)
        self.errors = site.state.logs / "front.log"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, executable="/usr/sbin/nginx", stderr=errors)
        eventually(lambda: listens(site.port))

    def connection(self, *, tls: bool | None = None) -> http.client.HTTPConnection:
        if self.tls if tls is None else tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection("127.0.0.1", self.site.port, timeout=20, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=20)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers={"Host": "localhost", **headers})

    def request(self, method: str, path: str, *, tls: bool | None = None, **given: Any) -> Answer:
        with contextlib.closing(self.connection(tls=tls)) as connection:
            connection.request(method, path, **given)
            with connection.getresponse() as answer:
                return Answer(answer.status, answer.headers, answer.read())

    def asked(self, path: str, **headers: str) -> Any:
        """What the process behind was asked."""
        return json.loads(self.get(path, **headers).body)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        for upstream in self.upstreams:
            upstream.stop()


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    return make_site(tmp_path / "s")


def make_site(root: Path) -> Environment:
    state = State(root)
    state.prepare()
    return dataclasses.replace(environment.load(), state=state, port=free_port())


@pytest.fixture
def front(site: Environment) -> Iterator[Front]:
    front = Front(site, None)
    yield front
    front.stop()


@pytest.fixture
def tls_front(tmp_path: Path) -> Iterator[Front]:
    site = make_site(tmp_path / "t")
    front = Front(dataclasses.replace(site, bind="0.0.0.0"), generated(site.state.web, NAMES))
    yield front
    front.stop()


def test_what_a_client_says_of_its_address_is_overwritten(front: Front) -> None:
    lies = {"X-Real-IP": "192.0.2.1", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil", "Forwarded": "for=192.0.2.1"}  # fmt: skip
    headers = front.asked("/", **lies)["headers"]
    assert headers["X-Real-IP"] == headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert "X-Forwarded-Host" not in headers and "Forwarded" not in headers


def test_the_host_keeps_its_port(front: Front) -> None:
    assert front.asked("/", Host="localhost:9999")["headers"]["Host"] == "localhost:9999"


@pytest.mark.parametrize("name", ["localhost", "box:8000", "[::1]:8000", "127.0.0.1"])
def test_it_answers_to_this_machines_names(front: Front, name: str) -> None:
    assert front.get("/", Host=name).status == 200


def test_it_answers_to_no_other_name(front: Front) -> None:
    assert front.get("/", Host="evil.example").status == 421


def test_nobody_reaches_what_is_internal(front: Front) -> None:
    assert front.get("/internal/session", Cookie="signed-in").status == 404


def test_a_console_is_for_those_whom_web_has_admitted(front: Front) -> None:
    assert front.get("/console/1?ticket=abc").status == 401
    assert front.asked("/console/1?ticket=abc", Cookie="signed-in")["path"] == "/console/1?ticket=abc"


def test_no_log_holds_a_ticket(front: Front) -> None:
    front.get("/console/1?ticket=SECRET1", Cookie="signed-in")
    front.get("/console/1?ticket=SECRET2")
    front.upstreams[1].stop()
    assert front.get("/console/1?ticket=SECRET3", Cookie="signed-in").status == 503
    logs = front.site.state.logs
    eventually(lambda: (logs / "access.log").read_text().count("/console/1") == 3)
    assert not [log for log in logs.iterdir() if "SECRET" in log.read_text()]


def test_static_files_are_for_ever_and_compressed(front: Front) -> None:
    answer = front.get("/static/app-1.js", **{"Accept-Encoding": "gzip"})
    assert answer.status == 200
    assert "immutable" in (answer.headers.get("Cache-Control") or "")
    assert answer.headers.get("Content-Encoding") == "gzip"
    assert "javascript; charset=utf-8" in (answer.headers.get("Content-Type") or "")


@pytest.mark.parametrize(
    "path", ["/static/../s/web/secret_key", "/static/%2e%2e/web/x", "/static..%2fweb/x", "/static/"]
)
def test_static_is_that_folder_alone(front: Front, path: str) -> None:
    answer = front.get(path)
    assert answer.status in (400, 403, 404) or json.loads(answer.body)["path"]


def test_a_large_body_is_refused(front: Front) -> None:
    body = b"x" * ((1 << 20) + 1)
    assert front.request("POST", "/", body=body, headers={"Host": "localhost"}).status == 413


def test_it_does_not_say_its_version(front: Front) -> None:
    assert front.get("/").headers.get("Server") == "nginx"


def test_while_web_starts_it_says_so_and_asks_again(front: Front) -> None:
    front.upstreams[0].stop()
    answer = front.get("/")
    assert answer.status == 503 and answer.headers.get("Retry-After") == "2"
    assert b"The dashboard is starting" in answer.body


def test_nothing_half_is_waited_for(front: Front, tls_front: Front) -> None:
    """Neither a request without an end nor a handshake without one."""
    with (
        socket.create_connection(("127.0.0.1", front.site.port), timeout=20) as request,
        socket.create_connection(("127.0.0.1", tls_front.site.port), timeout=20) as handshake,
    ):
        request.sendall(b"GET / HTTP/1.1\r\nHost: local")
        handshake.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        for slow in (request, handshake):
            with contextlib.suppress(ConnectionResetError):
                while slow.recv(1000):
                    pass
        assert 5 < time.monotonic() - began < 15


def test_with_tls_plain_http_is_led_to_https(tls_front: Front) -> None:
    answer = tls_front.request("GET", "/vms/?q=1", tls=False, headers={"Host": "localhost"})
    assert answer.status == 301
    assert answer.headers.get("Location") == "https://localhost/vms/?q=1"
    assert tls_front.asked("/")["headers"]["X-Forwarded-Proto"] == "https"


def test_a_generated_certificate_comes_without_hsts(tls_front: Front) -> None:
    assert tls_front.get("/").headers.get("Strict-Transport-Security") is None


def test_a_given_certificate_comes_with_hsts(site: Environment) -> None:
    given = dataclasses.replace(generated(site.state.web, NAMES), generated=False)
    front = Front(dataclasses.replace(site, bind="0.0.0.0"), given)
    try:
        for path in ("/", "/static/app-1.js"):
            assert front.get(path).headers.get("Strict-Transport-Security"), path
    finally:
        front.stop()


def test_the_time_out_of_consoles_is_a_setting(site: Environment) -> None:
    text = nginx.render(dataclasses.replace(site, proxy_timeout=5), NAMES, Path("/static"), None)
    assert text.count("proxy_read_timeout 5s;") == text.count("proxy_send_timeout 5s;") == 3


def test_a_name_cannot_leave_its_place(site: Environment) -> None:
    with pytest.raises(BadSetting):
        nginx.render(site, ['x"; return 200 "'], Path("/static"), None)
