"""What a host's row may be made of: the one place that judges the fields of the form and of the API.

What stands here goes into a libvirt URI, into ssh's arguments and into files on the dashboard's machine; so each field
has a narrow pattern, and what is not asked for is refused.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import idna
from django.conf import settings

from vms.errors import BadFields
from vms.models import Host
from vms.services import certificates

# Which fields a way to a host has, and which of them must be there. Name, transport and driver are always.
TAKES: Final[dict[str, tuple[str, ...]]] = {
    "ssh": ("address", "port", "user", "socket"),
    "tls": ("address", "port", "ca_certificate", "certificate", "private_key"),
    "tcp": ("address", "port", "unencrypted"),
    "unix": ("socket",),
    "local": (),
}
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "ssh": ("address",),
    "tls": ("address", "ca_certificate", "certificate", "private_key"),
    "tcp": ("address", "unencrypted"),
    "unix": ("socket",),
    "local": (),
}
FIELDS: Final = (
    "name", "transport", "driver", "address", "port", "user", "socket", "ca_certificate", "certificate", "private_key",
    "unencrypted",
)  # fmt: skip
USUAL_USER: Final = "root"
LONGEST_NAME: Final = 255
LONGEST_ADDRESS: Final = 253
LONGEST_SOCKET: Final = 100
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# "127.1" and "0x7f000001" are addresses to a resolver, though to nobody who reads them.
LIKE_A_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
SOCKET: Final = re.compile(r"(/[A-Za-z0-9._+-]+)+")
UNPRINTED: Final = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class HostFields:
    """Fields that fit together. private_key is "" where the one that is known stays."""

    name: str
    transport: str
    driver: str
    address: str = ""
    port: int | None = None
    user: str = ""
    socket: str = ""
    ca_certificate: str = ""
    certificate: str = ""
    private_key: str = ""

    @property
    def node(self) -> str:
        """Sockets are this machine's; every node reaches the rest."""
        return settings.ENVIRONMENT.node if self.transport in ("local", "unix") else ""


def check(given: Mapping[str, Any], before: Host | None = None) -> HostFields:
    """The fields of a new host, or of one as it would be with these changes; BadFields says what is wrong with each."""
    values = {**known(before, str(given.get("transport", ""))), **given}
    faults: dict[str, str] = {name: "unknown" for name in given if name not in FIELDS}
    transport, driver = values.get("transport"), values.get("driver") or Host.Driver.QEMU.value
    if driver not in Host.Driver.values:
        faults["driver"] = "choice"
    if transport not in TAKES:
        faults["transport"] = "choice"
        raise BadFields(faults)
    if driver == Host.Driver.TEST and transport == Host.Transport.LOCAL:
        faults["driver"] = "test_local"
    taken = TAKES[transport]
    for name in FIELDS[3:]:
        if name not in taken and given.get(name) not in (None, "", False):
            faults[name] = "not_for"
        elif name in NEEDS[transport] and values.get(name) in (None, "", False):
            faults[name] = "missing"
    cleaned: dict[str, Any] = {}
    for name in ("name", *(field for field in taken if field in CLEAN)):
        try:
            cleaned[name] = CLEAN[name](values.get(name))
        except Unfit as unfit:
            faults.setdefault(name, unfit.code)
    if "certificate" in taken and not faults:
        cleaned["private_key"] = private_key(values, cleaned["certificate"], before, faults)
    if transport == Host.Transport.SSH and not cleaned.get("user"):
        cleaned["user"] = USUAL_USER
    faults |= clashes(cleaned.get("name", ""), transport, str(driver), before)
    if faults:
        raise BadFields(faults)
    return HostFields(**{"transport": transport, "driver": driver, **cleaned})


def known(before: Host | None, transport: str) -> dict[str, Any]:
    """What the row says already, as far as it goes on to mean something where the way to the host changes."""
    if before is None:
        return {}
    kept: dict[str, Any] = {"name": before.name, "transport": before.transport, "driver": before.driver}
    for name in TAKES.get(transport or before.transport, ()):
        if hasattr(before, name):
            kept[name] = getattr(before, name)
    if (transport or before.transport) == before.transport:
        kept["unencrypted"] = before.transport == Host.Transport.TCP
        kept["private_key"] = certificates.KEPT if before.sealed else ""
    return kept


def clashes(name: str, transport: str, driver: str, before: Host | None) -> dict[str, str]:
    """What another host has: the name, or this machine itself."""
    others = Host.objects.filter(removed_at=None)
    others = others.exclude(pk=before.pk) if before else others
    found = {}
    if name and others.filter(name=name).exists():
        found["name"] = "taken"
    here = others.filter(transport=Host.Transport.LOCAL, driver=driver, node=settings.ENVIRONMENT.node)
    if transport == Host.Transport.LOCAL and here.exists():
        found["transport"] = "local_once"
    return found


class Unfit(Exception):
    """A value that does not fit, and why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def text(value: object) -> str:
    """Text without blanks around it; nothing given is none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unfit("text")
    return value.strip(" \t\r\n")


def clean_name(value: object) -> str:
    name = text(value)
    if not name:
        raise Unfit("missing")
    if len(name) > LONGEST_NAME:
        raise Unfit("name_long")
    if any(unicodedata.category(sign) in UNPRINTED for sign in name):
        raise Unfit("name_signs")
    return name


def clean_address(value: object) -> str:
    """An IP address in its usual form, or a host name (RFC 1123), one in another script as its A-labels."""
    address = text(value)
    if not address:
        return ""
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return host_name(address)
    if getattr(found, "scope_id", None) or (bare != address and found.version == 4):
        raise Unfit("address")
    return str(found)


def host_name(name: str) -> str:
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise Unfit("address") from None
    name = name.lower()
    labels = name.split(".")
    if len(name) > LONGEST_ADDRESS or not all(LABEL.fullmatch(label) for label in labels):
        raise Unfit("address")
    if LIKE_A_NUMBER.fullmatch(labels[-1]):
        raise Unfit("address")
    return name


def clean_port(value: object) -> int | None:
    if value is None or value == "":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise Unfit("port")
    return value


def clean_user(value: object) -> str:
    user = text(value)
    if user and not USER.fullmatch(user):
        raise Unfit("user")
    return user


def clean_socket(value: object) -> str:
    path = text(value)
    if not path:
        return ""
    if not SOCKET.fullmatch(path) or len(path) > LONGEST_SOCKET or {".", ".."} & set(path.split("/")):
        raise Unfit("socket")
    return path


def clean_certificate(value: object) -> str:
    pem = text(value)
    if not pem:
        return ""
    try:
        return certificates.clean(pem)
    except certificates.Unusable as unusable:
        raise Unfit(unusable.code) from None


CLEAN: Final = {
    "name": clean_name,
    "address": clean_address,
    "port": clean_port,
    "user": clean_user,
    "socket": clean_socket,
    "ca_certificate": clean_certificate,
    "certificate": clean_certificate,
}


def private_key(values: Mapping[str, Any], certificate: str, before: Host | None, faults: dict[str, str]) -> str:
    """The key of the certificate; "" where the known one stays, which must be this certificate's too."""
    given = values.get("private_key")
    try:
        if given == certificates.KEPT:
            if before is None or not certificates.same_key(before.certificate, certificate):
                raise certificates.Unusable("key_other")
            return ""
        return certificates.clean_key(text(given), certificate)
    except Unfit as unfit:
        faults["private_key"] = unfit.code
    except certificates.Unusable as unusable:
        faults["private_key"] = unusable.code
    return ""
