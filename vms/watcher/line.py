"""Asking what may answer late or never, apart from everything else that is read of a host: names in a line, and a few
threads that take them off it, each with a connection of its own (docs/decisions/0126)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import Final

from django.db import connection as database

from vms.models import Host
from vms.virt import Connection, HostSpec, open_connection

MOST_THREADS: Final = 2
# A thread without work ends, and its connection with it.
IDLE: Final = 60.0


class Line:
    """take: does what is to be done about a name, and gives back the connection for the next one; it has the thread's,
    None where that has none, and gets one that stands from reached()."""

    def __init__(self, host: Host, title: str, take: Callable[[str, Connection | None], Connection | None]) -> None:
        self.host = host
        self.title = f"{title} {host.name}"
        self.take = take
        # Not a SimpleQueue: in CPython 3.11, whoever waits there with a timeout waits for ever where another takes what
        # it was woken for and the timeout passes meanwhile.
        self.names: Queue[str] = Queue()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = 0
        self.open: set[Connection] = set()

    def put(self, name: str) -> None:
        self.names.put(name)

    def begin(self) -> None:
        """Start as many threads as there is work for."""
        with self.lock:
            wanted = min(self.names.qsize(), MOST_THREADS - self.threads)
            self.threads += max(wanted, 0)
        for _ in range(wanted):
            threading.Thread(target=self.work, name=self.title, daemon=True).start()

    def stop(self) -> None:
        """End the threads, also those that wait for an answer."""
        self.stopping.set()
        with self.lock:
            for connection in self.open:
                connection.cut()

    def work(self) -> None:
        """Take whatever is in line, until there has been nothing for a while."""
        connection: Connection | None = None
        try:
            while not self.stopping.is_set():
                try:
                    name = self.names.get(timeout=IDLE)
                except Empty:
                    return
                connection = self.take(name, connection)
        finally:
            with self.lock:
                self.threads -= 1
            self.let_go(connection)
            database.close()

    def reached(self, connection: Connection | None) -> Connection:
        """A connection that stands: this one, or another. Raises VirtError where there is no way to the host."""
        if connection is not None and connection.alive():
            return connection
        self.let_go(connection)
        made = open_connection(HostSpec(**self.host.spec_fields()))
        with self.lock:
            self.open.add(made)
        return made

    def let_go(self, connection: Connection | None) -> None:
        if connection is not None:
            with self.lock:
                self.open.discard(connection)
            connection.close()
