"""TLS to libvirtd: only to a machine whose certificate is of the host's own CA and names the address."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from vms.errors import (
    BadHostField,
    CertificateExpired,
    CertificateName,
    CertificateRefused,
    CertificateUntrusted,
    HungUp,
    NotLibvirt,
    OwnCertificateExpired,
    TimedOut,
    VirtError,
)
from vms.virt.ends import shut
from vms.virt.memory import MemoryFile

CHUNK: Final = 65536
# libvirtd's first byte behind the handshake, which its own client takes away too: our certificate was accepted.
ACCEPTED: Final = b"\x01"
# OpenSSL's X509_V_ERR numbers.
DATES: Final = frozenset({9, 10})
NAMES: Final = frozenset({62, 63, 64})


def context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    """Trusts that CA and nothing else, and shows the certificate; BadHostField, OwnCertificateExpired."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise BadHostField(str(error), field="ca_certificate") from None
    refuse_expired(certificate)
    file = MemoryFile("certificate", f"{certificate.strip()}\n{key.strip()}\n")
    try:
        # A key with a passphrase would ask for it at a terminal.
        made.load_cert_chain(file.path, password=b"")
    except (ssl.SSLError, ValueError) as error:
        raise BadHostField(str(error), field="certificate") from None
    finally:
        file.close()
    return made


def refuse_expired(certificate: str) -> None:
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise BadHostField(str(error), field="certificate") from None
    if not read.not_valid_before_utc <= datetime.now(UTC) <= read.not_valid_after_utc:
        raise OwnCertificateExpired(f"{read.not_valid_before_utc} to {read.not_valid_after_utc}")


def shake_hands(raw: socket.socket, made: ssl.SSLContext, address: str, timeout: float) -> ssl.SSLSocket:
    """The encrypted socket, accepted by libvirtd; every failure as the step that failed. raw is closed on failure."""
    raw.settimeout(timeout)
    try:
        channel = made.wrap_socket(raw, server_hostname=address)
    except ssl.SSLCertVerificationError as error:
        raw.close()
        raise distrust(error, address) from None
    except TimeoutError:
        raw.close()
        raise TimedOut("no answer to the TLS handshake") from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raw.close()
        raise HungUp(str(error)) from None
    except ssl.SSLError as error:
        raw.close()
        if "ALERT" in (error.reason or ""):
            raise CertificateRefused(str(error)) from None
        raise NotLibvirt(str(error), address=address) from None
    except OSError as error:
        raw.close()
        raise HungUp(str(error)) from None
    try:
        accepted = channel.recv(1)
    except TimeoutError:
        channel.close()
        raise TimedOut("no word after the TLS handshake") from None
    except OSError as error:
        channel.close()
        raise CertificateRefused(str(error)) from None
    if accepted != ACCEPTED:
        channel.close()
        if accepted:
            raise NotLibvirt(repr(accepted), address=address)
        raise CertificateRefused("closed after the TLS handshake")
    return channel


def distrust(error: ssl.SSLCertVerificationError, address: str) -> VirtError:
    """The leaf for a certificate that we do not take."""
    if error.verify_code in DATES:
        return CertificateExpired(error.verify_message)
    if error.verify_code in NAMES:
        return CertificateName(error.verify_message, address=address)
    return CertificateUntrusted(error.verify_message)


class Tls:
    """Plain bytes on our side, encrypted ones on the other. One thread alone touches the encrypted socket, because
    OpenSSL takes no reading and writing at once."""

    def __init__(self, channel: ssl.SSLSocket) -> None:
        self.socket, self.inner = socket.socketpair()
        self.channel = channel
        threading.Thread(target=self.carry, name="tls", daemon=True).start()

    def stands(self) -> None:
        pass

    def end(self) -> None:
        # The thread sees it on its side and closes the rest.
        shut(self.socket)

    def why(self) -> VirtError | None:
        return None

    def carry(self) -> None:
        self.channel.setblocking(False)
        self.inner.setblocking(False)
        with contextlib.suppress(OSError):
            self.pass_bytes()
        self.channel.close()
        shut(self.inner)

    def pass_bytes(self) -> None:
        """Until either side ends."""
        inward, outward = b"", b""
        while True:
            waits = Waits()
            if not inward:
                with waits.unless_ready(self.channel):
                    inward = self.channel.recv(CHUNK)
                    if not inward:
                        return
            if not outward:
                with waits.unless_ready(self.inner):
                    outward = self.inner.recv(CHUNK)
                    if not outward:
                        return
            if inward:
                with waits.unless_ready(self.inner, select.POLLOUT):
                    inward = inward[self.inner.send(inward) :]
            if outward:
                with waits.unless_ready(self.channel):
                    outward = outward[self.channel.send(outward) :]
            waits.wait()


class Waits:
    """What one round could not do, and for what it must wait; a round in which anything was done waits for nothing."""

    def __init__(self) -> None:
        self.events: dict[int, int] = {}
        self.done = False

    @contextlib.contextmanager
    def unless_ready(self, side: socket.socket, event: int = select.POLLIN) -> Iterator[None]:
        try:
            yield
            self.done = True
        except ssl.SSLWantReadError:
            self.note(side, select.POLLIN)
        except ssl.SSLWantWriteError:
            self.note(side, select.POLLOUT)
        except BlockingIOError:
            self.note(side, event)

    def note(self, side: socket.socket, event: int) -> None:
        self.events[side.fileno()] = self.events.get(side.fileno(), 0) | event

    def wait(self) -> None:
        if self.done:
            return
        poll = select.poll()
        for descriptor, events in self.events.items():
            poll.register(descriptor, events)
        poll.poll()
