"""The front's certificate: the site's own, or one that is generated for this machine's names."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kvmweb.environment import BadSetting, Environment, create

LIFETIME = timedelta(days=825)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Certificate:
    """Two files, and what people compare in the browser."""

    path: Path
    key: Path
    fingerprint: str
    generated: bool


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 in the notation of browsers."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """The names and addresses of ALLOWED_HOSTS as a certificate holds them."""
    found: list[x509.GeneralName] = []
    for name in sorted(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name.strip("[]"))))
        except ValueError:
            found.append(x509.DNSName(name.removeprefix(".")))
            if name.startswith("."):
                found.append(x509.DNSName("*" + name))
    return found


def generate(names: Sequence[str], key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kvmweb, generated")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def fits(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether it covers all the names for a while yet."""
    covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = certificate.not_valid_after_utc > datetime.now(UTC) + RENEW_BEFORE
    return lasts and set(general_names(names)) <= set(covered)


def write_private(path: Path, content: bytes) -> None:
    """A file closed to others, whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(create(temporary), "wb") as file:
        file.write(content)
    temporary.replace(path)


def generated(folder: Path, names: Sequence[str]) -> Certificate:
    """The certificate in the folder; a new one where there is none that fits."""
    path, key_path = folder / "tls.crt", folder / "tls.key"
    if path.exists() and key_path.exists():
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        if fits(certificate, names):
            return Certificate(path, key_path, fingerprint(certificate), generated=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = generate(names, key)
    encoding = serialization.Encoding.PEM
    no_encryption = serialization.NoEncryption()
    write_private(key_path, key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_encryption))
    write_private(path, certificate.public_bytes(encoding))
    return Certificate(path, key_path, fingerprint(certificate), generated=True)


def certificate(environment: Environment, names: Sequence[str]) -> Certificate | None:
    """What the front shows; None where it speaks plain HTTP, on the loopback addresses only."""
    if not environment.tls:
        return None
    if not environment.tls_cert and not environment.tls_key:
        return generated(environment.state.web, names)
    path, key = Path(environment.tls_cert), Path(environment.tls_key)
    if not (path.is_file() and key.is_file()):
        raise BadSetting(f"KVMWEB_TLS_CERT={path} and KVMWEB_TLS_KEY={key} must both name a file")
    found = fingerprint(x509.load_pem_x509_certificate(path.read_bytes()))
    if environment.users:
        # The site's key is root's alone; the front is not root.
        path, key = copied(path, environment.state.web / "site.crt"), copied(key, environment.state.web / "site.key")
    return Certificate(path, key, found, generated=False)


def copied(source: Path, target: Path) -> Path:
    write_private(target, source.read_bytes())
    return target
