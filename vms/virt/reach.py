"""The ways to a host's libvirt, each as the far end of a wire."""

from __future__ import annotations

from typing import Final

from vms.virt import ends, fields, tls
from vms.virt.ends import End, Plain
from vms.virt.spec import PATHS, HostSpec
from vms.virt.ssh import ALIAS, Ssh, require_accepted_key
from vms.virt.ssh_words import NO_HELPER
from vms.virt.tls_end import Tls
from vms.virt.unsealing import unseal

TCP_PORT: Final = 16509
TLS_PORT: Final = 16514
# Connecting, before libvirt's own first word.
CONNECT_SECONDS: Final = 5.0
# What libvirt's own client runs: its helper, which finds the daemon's socket, else netcat on the usual one.
USUAL_SOCKET: Final = "/var/run/libvirt/libvirt-sock"
WITH_HELPER: Final = "command -v virt-ssh-helper >/dev/null 2>&1 && exec virt-ssh-helper {uri}; "
WITH_NETCAT: Final = "command -v nc >/dev/null 2>&1 && exec nc -U {socket}; "
ELSE: Final = f"echo {NO_HELPER} >&2; exit 127"


def reach(spec: HostSpec) -> End:
    """A connected far end; raises the step that failed as a leaf of HostUnreachable or AuthRefused."""
    if spec.transport == "ssh":
        require_accepted_key(spec)
        return Ssh(spec, "--", ALIAS, remote_command(spec))
    if spec.transport == "tls":
        return reach_tls(spec)
    if spec.transport == "tcp":
        address = fields.address(spec.address)
        return Plain(ends.tcp(address, fields.port(spec.port, TCP_PORT), CONNECT_SECONDS))
    return Plain(ends.unix(fields.path(spec.daemon())))


def reach_tls(spec: HostSpec) -> End:
    address, port = fields.address(spec.address), fields.port(spec.port, TLS_PORT)
    key = unseal(spec.sealed, spec.sealed_for, spec.key_file)
    context = tls.context(spec.ca_certificate, spec.certificate, key)
    raw = ends.tcp(address, port, CONNECT_SECONDS)
    return Tls(tls.shake_hands(raw, context, address, CONNECT_SECONDS))


def remote_command(spec: HostSpec) -> str:
    """For the other machine's shell: constant but for the driver, and for a socket of strictly plain letters."""
    if spec.socket:
        script = WITH_NETCAT.format(socket=fields.path(spec.socket, fields.REMOTE_PATH))
    else:
        helper = WITH_HELPER.format(uri=f"{spec.driver}://{PATHS[spec.driver]}")
        script = helper + WITH_NETCAT.format(socket=USUAL_SOCKET)
    return f"sh -c '{script}{ELSE}'"
