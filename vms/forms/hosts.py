"""The form of a host: its fields with their words, what was typed, and what is wrong with it. It never shows a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from vms.models import Host
from vms.services.certificates import LONGEST, PRIVATE
from vms.services.host_fields import FIELDS, TAKES, USUAL_USER
from vms.services.sentences import field_sentence


@dataclass(frozen=True)
class Field:
    """One field. by: the ways to a host that have it; kind: line, number, pem, secret, tick or choice."""

    name: str
    label: str
    kind: str = "line"
    help: str = ""
    hint: str = ""
    value: str = ""
    error: str = ""
    by: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Form:
    """first: what everybody fills in; more: what is rarely needed, shown open where something there is wrong."""

    ways: list[Way]
    first: list[Field]
    more: list[Field]
    error: str = ""

    @property
    def more_open(self) -> bool:
        return any(each.error for each in self.more)

    @property
    def more_by(self) -> set[str]:
        return {way for each in self.more for way in each.by}


@dataclass(frozen=True)
class Way:
    """One way to a host, to choose."""

    value: str
    label: str
    help: str
    chosen: bool = False


def words() -> dict[str, tuple[str, str]]:
    """{transport: what it is called, what it is for}."""
    return {
        "ssh": (
            gettext("SSH"),
            gettext("The usual way. Nothing to set up there but one line with the dashboard's key."),
        ),
        "tls": (gettext("TLS"), gettext("libvirt's own port, with certificates on both sides.")),
        "unix": (gettext("A socket"), gettext("Another libvirt on the dashboard's machine.")),
        "local": (gettext("This machine"), gettext("The libvirt of the machine on which the dashboard runs.")),
        "tcp": (
            gettext("TCP, not encrypted"),
            gettext("For laboratories. Whoever can reach the port, or listens on the way, is root on that machine."),
        ),
    }


def drivers() -> tuple[tuple[str, str], ...]:
    return (
        ("qemu", gettext("QEMU and KVM")),
        ("lxc", gettext("LXC containers")),
        ("xen", gettext("Xen")),
        ("test", gettext("libvirt's test driver: nothing is real")),
    )


@dataclass
class Typed:
    """What stands in the form: typed, else the host's own; nothing that holds a private key."""

    given: Mapping[str, Any] = field(default_factory=dict)
    host: Host | None = None

    def __getitem__(self, name: str) -> str:
        if name in self.given:
            value = str(self.given[name] if self.given[name] is not None else "")
            return "" if PRIVATE in value else value
        if name == "unencrypted" and self.host:
            return "on" if self.host.transport == Host.Transport.TCP else ""
        if self.host is None or not hasattr(self.host, name):
            return ""
        value = getattr(self.host, name)
        return "" if value is None else str(value)


def make_form(
    given: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None, host: Host | None = None,
    *, here: bool = True,
) -> Form:  # fmt: skip
    """The form as it is, with what is wrong where it was sent; here: this machine itself can be chosen."""
    typed = Typed(given or {}, host)
    faults = {name: field_sentence(code) for name, code in (errors or {}).items()}
    chosen = typed["transport"] or Host.Transport.SSH.value

    def make(name: str, label: str, **facts: Any) -> Field:
        by = tuple(way for way, names in TAKES.items() if name in names) or tuple(TAKES)
        value = "" if name == "private_key" else typed[name]
        return Field(name=name, label=label, value=value, error=faults.get(name, ""), by=by, **facts)

    ways = [
        Way(value, label, text, chosen=value == chosen)
        for value, (label, text) in words().items()
        if value != Host.Transport.LOCAL or here or chosen == value
    ]
    kept = gettext("Leave it empty to keep the one that is sealed here.") if host and host.certificate else ""
    sealed = gettext("It is sealed at once: no page, no answer and no log shows it again.")
    first = [
        make("address", gettext("Address"), hint="kvm2.example.org", help=gettext("A name or an IP address.")),
        make("user", gettext("User"), hint=USUAL_USER, help=gettext("root there, or one in the group libvirt.")),
        make("ca_certificate", gettext("CA certificate"), kind="pem"),
        make("certificate", gettext("The dashboard's certificate"), kind="pem"),
        make("private_key", gettext("Its private key"), kind="secret", help=kept or sealed),
        make("unencrypted", gettext("Yes, not encrypted: this is a laboratory"), kind="tick"),
        make("name", gettext("Name"), help=gettext("How the dashboard calls it. Empty: its address.")),
    ]  # fmt: skip
    socket = make("socket", gettext("libvirt's socket"), hint="/run/libvirt/libvirt-sock")
    more = [
        make(
            "port", gettext("Port"), kind="number", help=gettext("Empty: the usual one (SSH 22, TLS 16514, TCP 16509).")
        ),
        socket,
    ]
    if host is None:
        more.append(make("driver", gettext("What runs there"), kind="choice", choices=drivers()))
    return Form(ways, first, more, faults.get("transport", ""))


def sent(request: HttpRequest, host: Host | None = None) -> dict[str, Any]:
    """The fields of the chosen way as they were sent; what belongs to another way was hidden and is not meant."""
    transport = request.POST.get("transport", "")
    names = (*FIELDS[:2], *(() if host else ("driver",)), *TAKES.get(transport, ()))
    given: dict[str, Any] = {name: request.POST.get(name, "") for name in names}
    for name in ("ca_certificate", "certificate", "private_key"):
        if name in given and name in request.FILES:
            given[name] = pasted(request, name)
    if "port" in given:
        given["port"] = number(given["port"])
    if "unencrypted" in given:
        given["unencrypted"] = bool(given["unencrypted"])
    if host and not given.get("private_key"):
        given.pop("private_key", None)
    return given


def number(text: str) -> int | str | None:
    """The port as a number where it is one; the check refuses the rest."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text or None


def pasted(request: HttpRequest, name: str) -> str:
    """A chosen file as text; what is no text is no PEM either."""
    upload = request.FILES[name]
    content: bytes = upload.read(LONGEST + 1)  # type: ignore[union-attr]
    return content.decode(errors="replace")
