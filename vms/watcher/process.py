"""The process: a thread for each host of this node or of none, the leases, the looks."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

import redis
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from vms import live
from vms.inventory import Writer
from vms.models import Host
from vms.watcher import leases
from vms.watcher.host import HostWatch
from vms.watcher.reader import Look
from vms.watcher.recorder import Recorder

logger = logging.getLogger(__name__)

TURN: Final = 3.0
# A host's thread that has been in one call for so long is freed by cutting its wire.
LONGEST_CALL: Final = 30.0


class Watcher:
    """Watches every host that this node reaches and whose lease it gets, until stop(); not those left alone."""

    def __init__(self, node: str = "") -> None:
        self.node = node or settings.ENVIRONMENT.node
        self.name = leases.name(self.node)
        self.writer = Writer()
        self.recorder = Recorder()
        self.threads: dict[int, HostWatch] = {}
        self.stopped = threading.Event()

    def run(self) -> None:
        """Return after stop(), or when nothing can be written any more; with the leases given back."""
        self.writer.start()
        self.recorder.start()
        looks = threading.Thread(target=self.take_looks, name="looks", daemon=True)
        looks.start()
        while not self.stopped.is_set() and self.writer.thread.is_alive():
            try:
                self.turn()
            except DatabaseError:
                logger.exception("the database does not answer")
                close_old_connections()
            self.say_ready()
            self.stopped.wait(TURN)
        self.stopped.set()
        for thread in self.threads.values():
            thread.stop()
        for thread in self.threads.values():
            thread.join(2)
        self.writer.stop()
        self.recorder.stop()
        for thread in self.threads.values():
            leases.release(thread.term)

    def stop(self) -> None:
        self.stopped.set()

    def turn(self) -> None:
        """Renew the leases, free threads that hang, and watch the hosts as they are in the database now."""
        known = Host.objects.filter(removed_at=None)
        wanted = known.filter(node__in=("", self.node), left_alone=False)
        hosts = {host.pk: host for host in wanted}
        ours = leases.renew(thread.term for thread in self.threads.values())
        for pk, thread in list(self.threads.items()):
            host = hosts.get(pk)
            moved = host is None or not same_place(host, thread.term.host)
            refused = thread.twin is not None and known.filter(pk=thread.twin).exists()
            if pk not in ours or moved or not (thread.is_alive() or refused):
                self.give_back(pk)
            elif thread.busy_since and time.monotonic() - thread.busy_since > LONGEST_CALL and thread.connection:
                logger.warning("%s has not answered for %s s", thread.name, LONGEST_CALL)
                thread.connection.cut()
        share = leases.share(len(hosts), live.present("watcher", self.name))
        for pk in list(self.threads)[share:]:
            # Another watcher came: it takes what this one gives back.
            self.give_back(pk)
        lacking = hosts.keys() - self.threads.keys()
        overdue = leases.overdue(lacking) if len(self.threads) >= share else set()
        for pk in sorted(lacking):
            full = len(self.threads) >= share and pk not in overdue
            term = None if full else leases.take(hosts[pk], self.name, self.node)
            if term:
                self.threads[pk] = HostWatch(term, self.writer, self.recorder.keep)
                self.threads[pk].start()

    def give_back(self, pk: int) -> None:
        """Let somebody else watch the host."""
        thread = self.threads.pop(pk)
        thread.stop()
        leases.release(thread.term)

    def take_looks(self) -> None:
        """Pass each request to look to its host's thread."""
        while not self.stopped.is_set():
            threads = dict(self.threads)
            if not threads:
                self.stopped.wait(0.2)
                continue
            try:
                request = live.next_look(threads, 1.0)
            except redis.RedisError:
                self.stopped.wait(1)
                continue
            if request and request[0] in threads:
                threads[request[0]].inbox.put(Look(request[1], request[2]))

    def say_ready(self) -> None:
        try:
            live.connection().set(live.key("ready", "watcher"), 1, ex=10)
        except redis.RedisError as error:
            logger.warning("Redis does not answer: %s", error)


def same_place(now: Host, before: Host) -> bool:
    """Whether the host is still reached the same way; that its UUID became known is no move."""
    known = before.libvirt_uuid in (None, now.libvirt_uuid) or now.is_here
    return known and {**now.spec_fields(), "uuid": ""} == {**before.spec_fields(), "uuid": ""}
