"""TLS to libvirtd: only to a machine whose certificate is of the host's own CA and names the address."""

from __future__ import annotations

import socket
import ssl
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
from vms.virt.memory import MemoryFile

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
        channel = encrypted(raw, made, address)
    except BaseException:
        raw.close()
        raise
    try:
        await_acceptance(channel, address)
    except BaseException:
        channel.close()
        raise
    return channel


def encrypted(raw: socket.socket, made: ssl.SSLContext, address: str) -> ssl.SSLSocket:
    """The handshake itself."""
    try:
        return made.wrap_socket(raw, server_hostname=address)
    except ssl.SSLCertVerificationError as error:
        raise distrust(error, address) from None
    except TimeoutError:
        raise TimedOut("no answer to the TLS handshake") from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise HungUp(str(error)) from None
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            raise CertificateRefused(str(error)) from None
        raise NotLibvirt(str(error), address=address) from None
    except OSError as error:
        raise HungUp(str(error)) from None


def await_acceptance(channel: ssl.SSLSocket, address: str) -> None:
    """libvirtd's word on our certificate, which with TLS 1.3 comes after the handshake."""
    try:
        word = channel.recv(1)
    except TimeoutError:
        raise TimedOut("no word after the TLS handshake") from None
    except OSError as error:
        raise CertificateRefused(str(error)) from None
    if not word:
        raise CertificateRefused("closed after the TLS handshake")
    if word != ACCEPTED:
        raise NotLibvirt(repr(word), address=address)


def distrust(error: ssl.SSLCertVerificationError, address: str) -> VirtError:
    """The leaf for a certificate that we do not take."""
    if error.verify_code in DATES:
        return CertificateExpired(error.verify_message)
    if error.verify_code in NAMES:
        return CertificateName(error.verify_message, address=address)
    return CertificateUntrusted(error.verify_message)
