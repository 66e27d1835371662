"""The last lines that a start prints: where to go, who one is, how to get in from elsewhere."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kvmweb.environment import Environment
from kvmweb.supervisor.certificate import Certificate


def address(environment: Environment) -> str:
    """The address to open on this machine."""
    if environment.base_url:
        return environment.base_url
    scheme = "https" if environment.tls else "http"
    host = "localhost" if environment.loopback or environment.bind in ("0.0.0.0", "::") else environment.bind
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{environment.port}/"


def ways_in(environment: Environment, variables: Mapping[str, str], user: str) -> list[str]:
    """From another machine, for who came by SSH: both ways, or the addresses where the port is open to others."""
    connection = variables.get("SSH_CONNECTION", "").split()
    machine = connection[2] if len(connection) == 4 else ""
    bracketed = f"[{machine}]" if ":" in machine else machine
    if environment.tls:
        return [f"From elsewhere  https://{bracketed}:{environment.port}/"] if machine else []
    if not machine:
        return []
    port = environment.port
    return [
        f"From elsewhere  ssh -L {port}:localhost:{port} {user}@{machine}   and open the address above, or",
        "                KVMWEB_BIND=0.0.0.0 scripts/run   (TLS with a generated certificate)",
    ]


def password_line(file: Path, *, terminal: bool) -> str:
    """The generated password, to a terminal only, and then it is kept nowhere; else the file that holds it."""
    if not file.exists():
        return "Password        the one you have (scripts/run --new-password makes another)"
    if not terminal:
        return f"Password        in {file}"
    password = file.read_text().strip()
    file.unlink()
    return f"Password        {password}   (shown once)"


def framed(lines: Sequence[str]) -> list[str]:
    width = max(len(line) for line in lines) + 2
    return [f"┌{'─' * width}┐", *(f"│ {line:<{width - 1}}│" for line in lines), f"└{'─' * width}┘"]


def box(
    environment: Environment,
    certificate: Certificate | None,
    password: str,
    variables: Mapping[str, str] = os.environ,
    last: str = "Ctrl-C stops the dashboard, never a VM.",
    people: Sequence[str] = (),
) -> list[str]:
    """The box, ready to print; people: lines of others who may sign in. Its last line says how to stop."""
    lines = [f"Address         {address(environment)}", "Name            admin", password, *people]
    lines += ways_in(environment, variables, getpass.getuser())
    if certificate:
        kind = "generated, so the browser asks once; compare" if certificate.generated else "yours"
        half = len(certificate.fingerprint) // 2
        lines += [
            f"Certificate     {kind}, SHA-256",
            f"                {certificate.fingerprint[: half + 1]}",
            f"                {certificate.fingerprint[half + 1 :]}",
        ]
    if not environment.users:
        lines.append("One Unix user   no wall between the web process and libvirt (as root: two users, a wall)")
    lines.append(last)
    return framed(lines)
