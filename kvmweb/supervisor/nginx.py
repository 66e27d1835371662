"""nginx's configuration, written into the state folder from nginx.conf beside this file; all values are ours."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from string import Template

from kvmweb.environment import BadSetting, Environment
from kvmweb.supervisor.certificate import Certificate, write_private

TEMPLATE = Path(__file__).with_name("nginx.conf")
MIME_TYPES = "/etc/nginx/mime.types"
KEEPALIVE = "so_keepalive=30s:10s:3"
HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'


class Configuration(Template):
    """@{name} is ours, $name is nginx's."""

    delimiter = "@"


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def addresses(environment: Environment) -> list[str]:
    """Where to listen, as nginx writes it; by default on both loopback addresses."""
    if environment.bind in ("127.0.0.1", "localhost"):
        found = ["127.0.0.1", "[::1]"] if has_ipv6_loopback() else ["127.0.0.1"]
    else:
        found = [f"[{environment.bind}]" if ":" in environment.bind else environment.bind]
    return [f"{address}:{environment.port}" for address in found]


def quoted(value: str) -> str:
    """A value inside quotes; BadSetting for what would end them."""
    if any(character in value for character in '"\\$;{}\n'):
        raise BadSetting(f"{value!r} holds a character that cannot be in nginx's configuration")
    return f'"{value}"'


def servers(environment: Environment, name: str) -> str:
    """An upstream's lines. One that does not answer is asked again in a second: it is starting."""
    sockets = [environment.state.socket(program) for program in environment.programs(name)]
    return "\n".join(f"        server unix:{path} fail_timeout=1s;" for path in sockets)


def render(
    environment: Environment,
    names: Sequence[str],
    static: Path,
    certificate: Certificate | None,
    owner: str = "",
    access_log: str = "",
) -> str:
    """The whole file. owner: whom nginx's workers run as, only where it is started by root. access_log: where lines of
    requests go, if not into the state folder."""
    ssl = " ssl" if certificate else ""
    listen = [f"        listen {address}{ssl};" for address in addresses(environment)]
    first = [f"        listen {address}{ssl} default_server {KEEPALIVE};" for address in addresses(environment)]
    tls = redirect = hsts = ""
    if certificate:
        tls = (
            f"    ssl_certificate {quoted(str(certificate.path))};\n"
            f"    ssl_certificate_key {quoted(str(certificate.key))};\n"
            "    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:tls:1m;\n    ssl_session_tickets off;\n"
        )
        redirect = "        error_page 497 =301 https://$http_host$request_uri;\n"
        # With a certificate that browsers don't know, HSTS would lock people out.
        hsts = "" if certificate.generated else HSTS
    return Configuration(TEMPLATE.read_text()).substitute(
        user=f"user {owner};" if owner else "",
        state=environment.state.root,
        access_log=access_log or environment.state.logs / "access.log",
        mime_types=MIME_TYPES,
        tls=tls,
        listen="\n".join(listen),
        listen_default="\n".join(first),
        server_tls=redirect + (f"        {hsts}\n" if hsts else ""),
        hsts=f"            {hsts}" if hsts else "",
        names=" ".join(quoted(name) for name in names),
        static=static,
        webs=servers(environment, "web"),
        consoles=servers(environment, "console"),
        transfers=servers(environment, "transfer"),
        timeout=f"{environment.proxy_timeout}s",
    )


def place(environment: Environment) -> Path:
    """Where it lies."""
    return environment.state.root / "nginx.conf"


def write(
    environment: Environment,
    names: Sequence[str],
    static: Path,
    certificate: Certificate | None,
    owner: str,
    access_log: str = "",
) -> Path:
    """Write it, and the empty log where only root may make it; its path."""
    path = place(environment)
    write_private(path, render(environment, names, static, certificate, owner, access_log).encode())
    if environment.users and not access_log:
        log = environment.state.logs / "access.log"
        log.touch(mode=0o600)
        os.chown(log, environment.users.web.uid, environment.users.web.gid)
    return path
