"""Thawing what has been frozen for as long as it was to be, and what a worker that died left frozen.

The time is told by the row, and by this process's own clock from when it first saw the row: a wall clock that is set
back must leave no guest standing still.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from django.db import connection as database
from django.utils import timezone

from vms.errors import AgentAbsent, VirtError, VmsError
from vms.models import Freeze, OperationLog
from vms.operations.connections import Connections
from vms.services import freezing
from vms.services.operations import refuse_silent
from vms.virt import Connection

logger = logging.getLogger(__name__)

THREADS: Final = 4


class Thawer:
    """Thaws for one worker process."""

    def __init__(self, node: str, connections: Connections) -> None:
        self.nodes = ("", node)
        self.pool = ThreadPoolExecutor(THREADS, "thaw")
        self.seen: dict[int, float] = {}
        self.connections = connections

    def turn(self) -> None:
        """Begin to thaw all that is due; hosts that hang are waited for elsewhere."""
        if not (rows := dict(Freeze.objects.values_list("pk", "seconds"))):
            return
        for freeze in freezing.due(self.nodes, self.overdue(rows)):
            if freezing.claim(freeze):
                self.pool.submit(self.in_pool, freeze)

    def overdue(self, rows: dict[int, int]) -> set[int]:
        """Those whose time is over since this process knows them."""
        now = time.monotonic()
        self.seen = {pk: self.seen.get(pk, now) for pk in rows}
        late = {pk for pk, since in self.seen.items() if now - since > rows[pk] + freezing.ASKING.total_seconds()}
        for pk in late:
            self.seen[pk] = now
        return late

    def in_pool(self, freeze: Freeze) -> None:
        try:
            self.thaw(freeze)
        finally:
            database.close()

    def thaw(self, freeze: Freeze) -> None:
        try:
            done = self.ask(freeze)
        except VmsError as error:
            logger.warning("VM %s is frozen still: %s", freeze.vm_id, error.code)
            freezing.try_again(freeze, error.code)
        except Exception:
            logger.exception("VM %s could not be thawed", freeze.vm_id)
        else:
            freezing.end(freeze, late=True)
            if freeze.operation and done:
                OperationLog.objects.create(operation=freeze.operation, code="thawed_late", params={})

    def ask(self, freeze: Freeze) -> bool:
        """Whether it was thawed, rather than frozen no more; raises what is in the way."""
        placement = freeze.vm.placement
        if placement is None:
            return False
        refuse_silent(placement.host)
        with self.connections.lent(placement.host) as connection:
            domain = connection.domain(str(placement.uuid))
            state, run_id = domain.state()
            if run_id is None and state != "saved":
                return False
            try:
                domain.agent().thaw()
            except AgentAbsent:
                if run_id is not None and run_id != freeze.run_id and is_forgotten(freeze):
                    return False
                raise
            return True


def is_forgotten(freeze: Freeze) -> bool:
    return timezone.now() - freeze.asked_at > freezing.FORGOTTEN


def thaw_now(connection: Connection, freeze: Freeze) -> None:
    """What a freezing that did not come to its end has left. Raises VirtError."""
    placement = freeze.vm.placement
    if placement is None:
        raise VirtError
    connection.domain(str(placement.uuid)).agent().thaw()
    freezing.end(freeze)
