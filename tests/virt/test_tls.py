"""TLS: only to who shows a certificate of the host's CA for its address, and only where it takes ours."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from functools import cache
from pathlib import Path

import pytest

from tests.lab.certificates import Authority
from tests.virt.servers import Answer, hang_up, say_nothing, server, speak_http
from vms import errors
from vms.virt.ends import tcp
from vms.virt.tls import context, shake_hands
from vms.virt.tls_end import Tls


@cache
def authority() -> Authority:
    return Authority()


def speaks_tls(folder: Path, certificate: tuple[str, str], then: Answer, trusts: Authority | None = None) -> Answer:
    """A server that shows the certificate, asks for one of the trusted authority, and goes on with then()."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "server.pem").write_text("".join(certificate))
    made.load_cert_chain(folder / "server.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=(trusts or authority()).certificate)

    def answer(side: socket.socket) -> None:
        with made.wrap_socket(side, server_side=True) as channel:
            then(channel)

    return answer


def accept(side: socket.socket) -> None:
    """As libvirtd does, and then an echo."""
    side.sendall(b"\x01")
    while chunk := side.recv(65536):
        side.sendall(chunk)


def shake(port: int, *, days: int = 30, trusts: Authority | None = None) -> ssl.SSLSocket:
    certificate, key = authority().issue("dashboard", days=days)
    made = context((trusts or authority()).certificate, certificate, key)
    return shake_hands(tcp("127.0.0.1", port, 5), made, "127.0.0.1", 0.5)


def test_bytes_go_both_ways_at_once(tmp_path: Path) -> None:
    with server(speaks_tls(tmp_path, authority().issue("host", "127.0.0.1"), accept)) as port:
        end = Tls(shake(port))
        end.socket.settimeout(10)
        sent = os.urandom(3_000_000)
        writer = threading.Thread(target=end.socket.sendall, args=(sent,))
        writer.start()
        got = bytearray()
        while len(got) < len(sent):
            got += end.socket.recv(65536)
        writer.join()
        assert bytes(got) == sent
        end.end()


def test_an_end_from_any_side_ends_it(tmp_path: Path) -> None:
    certificate = authority().issue("host", "127.0.0.1")
    with server(speaks_tls(tmp_path, certificate, lambda side: side.sendall(b"\x01"))) as port:
        end = Tls(shake(port))
        end.socket.settimeout(5)
        assert end.socket.recv(1) == b""
        end.end()
    with server(speaks_tls(tmp_path, certificate, accept)) as port:
        end = Tls(shake(port))
        threading.Timer(0.1, end.end).start()
        assert end.socket.recv(1) == b""


def refused(tmp_path: Path, certificate: tuple[str, str], then: Answer = accept) -> errors.VirtError:
    with server(speaks_tls(tmp_path, certificate, then)) as port, pytest.raises(errors.VirtError) as told:
        shake(port)
    return told.value


def test_a_certificate_of_another_ca_is_not_trusted(tmp_path: Path) -> None:
    told = refused(tmp_path, Authority("another").issue("host", "127.0.0.1"))
    assert type(told) is errors.CertificateUntrusted


def test_an_expired_certificate_is_told(tmp_path: Path) -> None:
    told = refused(tmp_path, authority().issue("host", "127.0.0.1", days=-1))
    assert type(told) is errors.CertificateExpired


def test_a_certificate_for_another_name_is_told(tmp_path: Path) -> None:
    told = refused(tmp_path, authority().issue("host", "192.0.2.1", "host.example.org"))
    assert (type(told), told.params) == (errors.CertificateName, {"address": "127.0.0.1"})


def test_a_server_that_wants_another_certificate_of_us_is_told(tmp_path: Path) -> None:
    answer = speaks_tls(tmp_path, authority().issue("host", "127.0.0.1"), accept, Authority("another"))
    with server(answer) as port, pytest.raises(errors.CertificateRefused):
        shake(port)


def test_closing_after_the_handshake_is_a_no_to_our_certificate(tmp_path: Path) -> None:
    assert type(refused(tmp_path, authority().issue("host", "127.0.0.1"), hang_up)) is errors.CertificateRefused


def test_silence_after_the_handshake_ends(tmp_path: Path) -> None:
    assert type(refused(tmp_path, authority().issue("host", "127.0.0.1"), say_nothing)) is errors.TimedOut


def test_another_first_byte_is_no_libvirt(tmp_path: Path) -> None:
    told = refused(tmp_path, authority().issue("host", "127.0.0.1"), lambda side: side.sendall(b"\x00"))
    assert type(told) is errors.NotLibvirt


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(hang_up, errors.HungUp), (speak_http, errors.NotLibvirt), (say_nothing, errors.TimedOut)],
)
def test_who_speaks_no_tls_is_told(answer: Answer, expected: type[errors.VirtError]) -> None:
    with server(answer) as port, pytest.raises(expected):
        shake(port)


def test_old_tls_is_not_spoken() -> None:
    certificate, key = authority().issue("dashboard")
    made = context(authority().certificate, certificate, key)
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    # Only the host's own CA: none of those that the machine trusts.
    assert len(made.get_ca_certs()) == 1


def test_our_own_expired_certificate_is_told_before_anybody_is_asked() -> None:
    with pytest.raises(errors.OwnCertificateExpired):
        shake(1, days=-1)


def test_what_is_no_certificate_is_named() -> None:
    certificate, key = authority().issue("dashboard")
    other = authority().issue("another")[1]
    for words, field in (
        (("nonsense", certificate, key), "ca_certificate"),
        ((authority().certificate, "nonsense", key), "certificate"),
        ((authority().certificate, certificate, "nonsense"), "certificate"),
        ((authority().certificate, certificate, other), "certificate"),
    ):
        with pytest.raises(errors.BadHostField) as told:
            context(*words)
        assert told.value.params == {"field": field}
