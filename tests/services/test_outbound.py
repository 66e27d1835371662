from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kvmweb.environment import BadSetting, outbound_allow
from tests.webserver import WebServer, body, head, moved, partly, status, web_server
from vms.errors import OutboundBroken, OutboundRefused, ServerRefused, VmsError
from vms.models import Host
from vms.services import outbound
from vms.services.addresses import parse
from vms.services.outbound import open_url

DATA = bytes(range(256)) * 400
OUTSIDE = "93.184.215.14"


@pytest.fixture
def server(db: None) -> Iterator[WebServer]:
    with web_server() as made:
        made.pages["/file"] = body(DATA, 'ETag: "one"')
        yield made


@pytest.fixture
def allow(settings: Any) -> Callable[[str], None]:
    def set_to(text: str) -> None:
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, outbound_allow=outbound_allow(text))

    return set_to


@pytest.fixture
def mirror(server: WebServer, allow: Callable[[str], None]) -> WebServer:
    """One that the site allows."""
    allow(f"127.0.0.1:{server.port}")
    return server


def answers(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> list[str]:
    """What the resolver says at each turn, the last from then on; the names that it was asked for."""
    said = list(turns)
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        asked.append(host)
        turn = said.pop(0) if len(said) > 1 else said[0]
        if not turn:
            raise socket.gaierror("no such name")
        return [(0, 0, 0, "", (address, port)) for address in turn]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def wired(monkeypatch: pytest.MonkeyPatch, server: WebServer) -> list[tuple[str, int]]:
    """Connections to anywhere end at the server; where they were meant to go."""
    dialled: list[tuple[str, int]] = []
    real = socket.socket.connect

    def create_connection(to: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(to)
        sock = socket.socket()
        sock.settimeout(timeout)
        real(sock, ("127.0.0.1", server.port))
        return sock

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return dialled


def fetch(url: str, **options: Any) -> bytes:
    with open_url(url, **options) as answer:
        found = b""
        while piece := answer.read(1 << 20):
            found += piece
        return found


def refused(url: str) -> VmsError:
    with pytest.raises(OutboundRefused) as caught:
        fetch(url)
    return caught.value


def test_what_the_site_allows_is_fetched_with_the_name_in_host_alone(mirror: WebServer) -> None:
    assert fetch(mirror.url("/file")) == DATA
    [request] = mirror.asked
    assert f"Host: 127.0.0.1:{mirror.port}\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request
    assert "Cookie" not in request and "Authorization" not in request


def test_nothing_here_is_asked_without_being_allowed(server: WebServer) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.2"):
        refused(server.url("/file", host))
    assert server.asked == []


def test_a_connection_goes_to_the_address_that_was_looked_at_and_the_name_is_asked_for_once(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers(monkeypatch, [OUTSIDE], ["127.0.0.1"])
    dialled = wired(monkeypatch, server)
    assert fetch("http://images.example.org/file") == DATA
    assert asked == ["images.example.org"]
    assert dialled == [(OUTSIDE, 80)]
    assert "Host: images.example.org\r\n" in server.asked[0]


@pytest.mark.parametrize(
    "inside",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], [OUTSIDE, "192.168.0.1"], ["::1", OUTSIDE],
     ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["2002:a00:1::"], ["fe80::1%1"], ["224.0.0.1"]],
)  # fmt: skip
def test_a_name_of_which_one_answer_is_inside_is_not_asked(
    inside: list[str], server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, inside)
    dialled = wired(monkeypatch, server)
    refused("http://images.example.org/file")
    assert dialled == []


def test_an_address_of_a_host_or_of_the_dashboard_is_not_asked(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    answers(monkeypatch, [OUTSIDE])
    dialled = wired(monkeypatch, server)
    Host.objects.create(name="far", transport="ssh", address="kvm2.example.org")
    refused("http://images.example.org/file")
    Host.objects.update(address=OUTSIDE)
    refused("http://images.example.org/file")
    Host.objects.all().delete()
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, base_url="https://kvm.example.org")
    refused("http://images.example.org/file")
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, base_url="", hosts=(".example.org",))
    refused("http://images.example.org/file")
    assert dialled == []
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, hosts=())
    assert fetch("http://images.example.org/file") == DATA


def test_an_address_that_the_machine_itself_has_is_not_asked(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outbound.is_here(ip_address("127.0.0.1"))
    assert not outbound.is_here(ip_address(OUTSIDE))
    monkeypatch.setattr(outbound, "is_outside", lambda address: True)
    dialled = wired(monkeypatch, server)
    refused("http://127.0.0.1/file")
    assert dialled == []


@pytest.mark.parametrize(
    ("allowed", "port", "fetched"),
    [
        ("10.1.0.0/16", 80, True), ("10.1.0.0/16", 8080, False), ("10.2.0.0/16", 80, False),
        ("mirror.example.org", 80, True), ("mirror.example.org", 8080, False), ("mirror.example.org:8080", 8080, True),
        ("mirror.example.org:8080", 80, False), ("10.1.2.3", 80, True), ("10.1.2.3:8080", 8080, True),
        ("example.org", 80, False), ("", 80, False),
    ],
)  # fmt: skip
def test_what_the_site_allows(
    allowed: str, port: int, fetched: bool, server: WebServer, monkeypatch: pytest.MonkeyPatch,
    allow: Callable[[str], None],
) -> None:  # fmt: skip
    allow(allowed)
    answers(monkeypatch, ["10.1.2.3"])
    wired(monkeypatch, server)
    url = f"http://mirror.example.org:{port}/file"
    if fetched:
        assert fetch(url) == DATA
    else:
        refused(url)


def test_an_allowed_network_does_not_open_the_hosts_in_it(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, allow: Callable[[str], None]
) -> None:
    answers(monkeypatch, ["10.1.2.3"])
    wired(monkeypatch, server)
    Host.objects.create(name="far", transport="ssh", address="10.1.2.3")
    allow("10.1.0.0/16")
    refused("http://mirror.example.org/file")
    allow("10.1.2.3")
    assert fetch("http://mirror.example.org/file") == DATA


@pytest.mark.parametrize("wrong", ["10.1.2.3/16", "a b", "http://x", "user@x", "x:y", "x:0", "x/y", "[::1"])
def test_a_setting_that_allows_nothing_is_named(wrong: str) -> None:
    with pytest.raises(BadSetting, match="KVMWEB_OUTBOUND_ALLOW"):
        outbound_allow(wrong)


def test_other_ports_are_not_asked(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, [OUTSIDE])
    dialled = wired(monkeypatch, server)
    for port in (22, 443, 6379, 8080):
        refused(f"http://images.example.org:{port}/file")
    assert dialled == []


def test_redirects_are_followed_and_each_is_looked_at(mirror: WebServer) -> None:
    mirror.pages["/a"] = moved("/b")
    mirror.pages["/b"] = moved("c", 307)
    mirror.pages["/c"] = moved(mirror.url("/file"), 301)
    assert fetch(mirror.url("/a")) == DATA
    mirror.pages["/z"] = moved("/a", 308)
    refused(mirror.url("/z"))


@pytest.mark.parametrize(
    "to",
    ["http://127.0.0.2/", "http://169.254.169.254/latest/meta-data/", "http://localhost/", "file:///etc/shadow",
     "http://[::1]/", "http://user@127.0.0.1:{port}/file", "http://2130706433/", "//127.0.0.1/", "\\\\127.0.0.1/"],
)  # fmt: skip
def test_a_redirect_to_inside_leads_nowhere(to: str, mirror: WebServer) -> None:
    mirror.pages["/a"] = moved(to.format(port=mirror.port))
    refused(mirror.url("/a"))
    assert len(mirror.asked) == 1


def test_no_proxy_and_no_password_of_the_environment_is_used(
    mirror: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password word\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert fetch(mirror.url("/file")) == DATA
    assert "Authorization" not in mirror.asked[0]


def test_all_refusals_read_the_same(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, allow: Callable[[str], None]
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    closed = listener.getsockname()[1]
    listener.close()
    allow(f"127.0.0.1:{closed}")
    found = [refused(f"http://127.0.0.1:{closed}/"), refused("http://127.0.0.1/"), refused("http://x@127.0.0.1/")]
    answers(monkeypatch, [])
    found.append(refused("http://nowhere.example.org/"))
    assert {(error.code, error.details, str(error.params)) for error in found} == {("outbound_refused", "", "{}")}


def test_a_server_that_says_no_is_told_as_such(mirror: WebServer) -> None:
    mirror.pages["/no"] = status(403)
    for path, code in (("/no", 403), ("/nowhere", 404)):
        with pytest.raises(ServerRefused) as caught:
            fetch(mirror.url(path))
        assert caught.value.params == {"status": code}


def test_nothing_is_unpacked(mirror: WebServer) -> None:
    bomb = gzip.compress(bytes(1 << 24))
    mirror.pages["/bomb"] = body(bomb, "Content-Encoding: gzip")
    mirror.pages["/plain.gz"] = body(bomb)
    refused(mirror.url("/bomb"))
    assert fetch(mirror.url("/plain.gz")) == bomb


def test_the_rest_is_asked_for_after_a_drop(mirror: WebServer) -> None:
    mirror.pages["/file"] = partly(DATA, 1000, 'ETag: "one"')
    with open_url(mirror.url("/file")) as first:
        assert (first.size, first.version) == (len(DATA), '"one"')
        assert first.read(1 << 20) == DATA[:1000]
        with pytest.raises(OutboundBroken):
            first.read(1 << 20)
    mirror.pages["/file"] = body(DATA, 'ETag: "one"')
    with open_url(mirror.url("/file"), start=1000, version=first.version) as second:
        assert (second.start, second.size) == (1000, len(DATA))
    assert fetch(mirror.url("/file"), start=1000, version='"one"') == DATA[1000:]
    with open_url(mirror.url("/file"), start=1000, version='"other"') as third:
        assert third.start == 0


@pytest.mark.parametrize("told", ["bytes 0-9/10", "bytes 5-9/11", "bytes */10", "", "x"])
def test_a_part_that_is_another_than_was_asked_for_is_refused(told: str, mirror: WebServer) -> None:
    def reply(connection: socket.socket, request: str) -> None:
        connection.sendall(head(206, f"Content-Range: {told}", "Content-Length: 5") + b"56789")

    mirror.pages["/part"] = reply
    with pytest.raises(OutboundRefused):
        fetch(mirror.url("/part"), start=5)


@pytest.mark.parametrize("told", ["-1", "1e3", "٣", "9" * 30, "0x10"])
def test_a_length_that_is_none_is_not_believed(told: str, mirror: WebServer) -> None:
    mirror.pages["/odd"] = lambda connection, request: connection.sendall(
        head(200, f"Content-Length: {told}").replace("٣".encode(), b"\xb3")
    )
    with open_url(mirror.url("/odd")) as answer:
        assert answer.size is None


def test_a_short_text_is_not_longer_than_it_may_be(mirror: WebServer) -> None:
    mirror.pages["/sums"] = body(b"x" * 2000)
    with open_url(mirror.url("/sums")) as answer:
        assert answer.text(2000) == "x" * 2000
    with pytest.raises(OutboundRefused), open_url(mirror.url("/sums")) as answer:
        answer.text(1999)
    mirror.pages["/sums"] = partly(b"x" * 2000, 10)
    with pytest.raises(OutboundBroken), open_url(mirror.url("/sums")) as answer:
        answer.text(2000)


def hangs(beginning: bytes, then: bytes, every: float) -> Callable[[socket.socket, str], None]:
    """Says the beginning, and then the same again and again."""

    def reply(connection: socket.socket, request: str) -> None:
        connection.sendall(beginning)
        while True:
            time.sleep(every)
            connection.sendall(then)

    return reply


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 Fine\r\n"])
def test_a_server_that_answers_too_slowly_is_left(
    beginning: bytes, mirror: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "PATIENCE", 0.5)
    mirror.pages["/slow"] = hangs(beginning, b"x", 0.1)
    since = time.monotonic()
    with pytest.raises(OutboundBroken):
        fetch(mirror.url("/slow"))
    # It would go on for ever.
    assert time.monotonic() - since < 20


def test_a_server_that_sends_too_slowly_is_left(mirror: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.pages["/drops"] = hangs(head(200, "Content-Length: 1000000"), b"x", 0.05)
    with pytest.raises(OutboundBroken):
        fetch(mirror.url("/drops"), seconds=1)
    monkeypatch.setattr(outbound, "PATIENCE", 0.5)
    mirror.pages["/stops"] = hangs(head(200, "Content-Length: 1000000"), b"x", 30)
    with pytest.raises(OutboundBroken):
        fetch(mirror.url("/stops"))


def test_a_head_without_end_is_refused(mirror: WebServer) -> None:
    mirror.pages["/head"] = hangs(head(200)[:-4], b"\r\nX-Line: " + b"x" * 1000, 0)
    with pytest.raises(OutboundBroken):
        fetch(mirror.url("/head"))


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for the name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


@pytest.fixture
def tls(server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WebServer, list[str]]]:
    """images.example.org speaks TLS, and its authority is believed; the names that clients asked for."""
    chain, key = certificate(tmp_path, "images.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    names: list[str] = []
    context.sni_callback = lambda sock, name, context: names.append(name or "")
    serve = server.serve

    def serve_tls(connection: socket.socket) -> None:
        try:
            serve(context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()

    server.serve = serve_tls  # type: ignore[method-assign]
    believed = ssl.create_default_context(cafile=str(chain))
    monkeypatch.setattr(outbound, "context", lambda: believed)
    answers(monkeypatch, [OUTSIDE])
    yield server, names


def test_tls_asks_for_the_name_and_looks_at_its_certificate(
    tls: tuple[WebServer, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, names = tls
    dialled = wired(monkeypatch, server)
    assert fetch("https://images.example.org/file") == DATA
    assert (names, dialled) == (["images.example.org"], [(OUTSIDE, 443)])
    refused("https://other.example.org/file")
    assert len(server.asked) == 1


def test_a_redirect_does_not_leave_tls(tls: tuple[WebServer, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = tls
    wired(monkeypatch, server)
    server.pages["/a"] = moved("http://images.example.org/file")
    server.pages["/b"] = moved("https://images.example.org/file")
    refused("https://images.example.org/a")
    assert fetch("https://images.example.org/b") == DATA


def test_an_unknown_authority_is_not_believed(
    tls: tuple[WebServer, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = tls
    wired(monkeypatch, server)
    monkeypatch.setattr(outbound, "context", ssl.create_default_context)
    refused("https://images.example.org/file")


def test_a_broken_connection_is_never_opened_again_to_another_address(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, [OUTSIDE], ["127.0.0.1"])
    dialled = wired(monkeypatch, server)
    connection = outbound.Pinned(parse("http://images.example.org/file"), time.monotonic() + 5)
    connection.connect()
    connection.close()
    with pytest.raises(OutboundRefused):
        connection.request("GET", "/file")
    assert dialled == [(OUTSIDE, 80)]


def test_nobody_is_left_waiting(mirror: WebServer) -> None:
    # Other tests may have left some.
    before = set(threading.enumerate())

    def waiting() -> bool:
        return any(isinstance(thread, threading.Timer) for thread in set(threading.enumerate()) - before)

    fetch(mirror.url("/file"))
    until = time.monotonic() + 20
    while waiting() and time.monotonic() < until:
        time.sleep(0.05)
    assert not waiting()
