"""The operations' connections to hosts: each is lent to one thread at a time, and kept open for the next one, so that a
click costs no handshake (docs/decisions/0126)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vms.models import Host
from vms.virt import Connection, HostSpec, open_connection

# Of each host so many wait for the next operation.
KEPT: Final = 2


class Connections:
    """Lends them; one that broke is opened anew at the next loan."""

    def __init__(self) -> None:
        self.idle: defaultdict[int, list[tuple[HostSpec, Connection]]] = defaultdict(list)
        self.lock = threading.Lock()

    @contextmanager
    def lent(self, host: Host) -> Iterator[Connection]:
        """One that nobody else uses meanwhile. Raises VirtError where there is no way to the host."""
        spec = HostSpec(**host.spec_fields())
        connection = self.take(host.pk, spec) or open_connection(spec)
        try:
            yield connection
        finally:
            self.give_back(host.pk, spec, connection)

    def take(self, host: int, spec: HostSpec) -> Connection | None:
        """One that waits and stands."""
        while True:
            with self.lock:
                if not self.idle[host]:
                    return None
                known, connection = self.idle[host].pop()
            if known == spec and connection.alive():
                return connection
            connection.close()

    def give_back(self, host: int, spec: HostSpec, connection: Connection) -> None:
        stands = connection.alive()
        with self.lock:
            keeps = stands and len(self.idle[host]) < KEPT
            if keeps:
                self.idle[host].append((spec, connection))
        if not keeps:
            connection.close()

    def leave(self) -> None:
        """Close those of hosts that are to be left alone by now, or were removed."""
        wanted = Host.objects.filter(pk__in=list(self.idle), left_alone=False, removed_at=None)
        for host in self.idle.keys() - set(wanted.values_list("pk", flat=True)):
            self.close(host)

    def close(self, *hosts: int) -> None:
        """Close those that wait, of these hosts or of all."""
        with self.lock:
            several = [kept for host in hosts or tuple(self.idle) for kept in self.idle.pop(host, [])]
        for _, connection in several:
            connection.close()
