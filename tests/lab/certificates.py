"""A certificate authority of the lab's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Authority:
    """certificate is the CA's own, PEM."""

    def __init__(self, title: str = "lab CA") -> None:
        self.title = name(title)
        self.key = ec.generate_private_key(ec.SECP256R1())
        made = self.begin(self.title, self.key, days=30)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(usage(signs=True), critical=True)
        self.certificate = made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def begin(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        """Valid for so many days from yesterday; -1: over since some hours."""
        since = datetime.now(UTC) - timedelta(days=1 if days > 0 else 10)
        until = datetime.now(UTC) + (timedelta(days=days) if days > 0 else timedelta(hours=-6))
        return x509.CertificateBuilder(
            self.title, subject, key.public_key(), x509.random_serial_number(), since, until
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)

    def issue(self, title: str, *names: str, days: int = 30) -> tuple[str, str]:
        """(certificate, key), PEM, for a server of these names and addresses, or for a client where there are none."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self.begin(name(title), key, days)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(usage(signs=False), critical=True)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([alternative(each) for each in names]), False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = made.add_extension(issuer, critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode(), pem(key)


def usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=not signs, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip
