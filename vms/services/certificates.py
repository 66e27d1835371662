"""Certificates and their keys, as somebody pastes them: parsed, and written again as nothing but PEM."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

LONGEST: Final = 64 << 10
PRIVATE: Final = "PRIVATE KEY"
# Stands for the sealed key that is known already; no text that somebody sends equals it.
KEPT: Final = object()


class Unusable(Exception):
    """Not what it should be; says why by a code and never what was sent."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def clean(pem: str) -> str:
    """The certificates in the text, the first one's own first."""
    if PRIVATE in pem:
        raise Unusable("is_key")
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in load(pem))


def load(pem: str) -> list[x509.Certificate]:
    """At least one certificate; Unusable otherwise."""
    if len(pem) > LONGEST:
        raise Unusable("too_long")
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        for each in found:
            each.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("certificate") from None
    return found


def clean_key(pem: str, certificate: str) -> str:
    """The private key of the certificate, without a passphrase."""
    if len(pem) > LONGEST:
        raise Unusable("too_long")
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise Unusable("key_locked") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("key") from None
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public != public_key(certificate):
        raise Unusable("key_other")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key(certificate: str) -> bytes:
    return load(certificate)[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def same_key(one: str, other: str) -> bool:
    """Whether both certificates are of one key."""
    return bool(one and other) and public_key(one) == public_key(other)


def fingerprint(certificate: str) -> str:
    """The SHA-256 of the first certificate, in hexadecimal; "" where there is none."""
    return load(certificate)[0].fingerprint(hashes.SHA256()).hex() if certificate else ""


def last_day(certificate: str) -> datetime | None:
    """Until when the certificate holds; None where there is none."""
    return load(certificate)[0].not_valid_after_utc if certificate else None
