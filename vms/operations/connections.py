"""The operations' connections: quick ones share one a process and host, kept open, so that a click costs no handshake.

A slow one has its own: a host answers a few calls of one connection at a time, and a long one must not stand in the
way of the call that would end it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from vms.models import Host
from vms.virt import Connection, HostSpec, open_connection


class Connections:
    """Lends them; one that broke is opened anew at the next loan."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[HostSpec, Connection]] = {}
        self.locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def borrow(self, host: Host) -> Connection:
        """A connection that others may be using too. Raises VirtError where there is no way to the host."""
        spec = HostSpec(**host.spec_fields())
        with self.locks[host.pk]:
            known = self.open.get(host.pk)
            if known and known[0] == spec and known[1].alive():
                return known[1]
            if known:
                known[1].close()
                del self.open[host.pk]
            connection = open_connection(spec)
            self.open[host.pk] = (spec, connection)
            return connection

    @contextmanager
    def own(self, host: Host) -> Iterator[Connection]:
        """One that nobody else uses, closed at the end. Raises VirtError where there is no way to the host."""
        connection = open_connection(HostSpec(**host.spec_fields()))
        try:
            yield connection
        finally:
            connection.close()

    def leave(self) -> None:
        """Close those of hosts that are to be left alone by now, or were removed."""
        wanted = Host.objects.filter(pk__in=list(self.open), left_alone=False, removed_at=None)
        for pk in self.open.keys() - set(wanted.values_list("pk", flat=True)):
            with self.locks[pk]:
                known = self.open.pop(pk, None)
                if known:
                    known[1].close()

    def close(self) -> None:
        for _, connection in self.open.values():
            connection.close()
        self.open.clear()
