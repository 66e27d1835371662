"""Long calls: while one runs, a thread beside it tells how far it is, and ends it where that was asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection as database

from vms import live
from vms.errors import VirtError
from vms.models import Operation, OperationState
from vms.operations.transitions import HELD
from vms.operations.work import Work, domain
from vms.virt import Job

logger = logging.getLogger(__name__)

LOOK: Final = 0.5
# The thread beside may hang in a call of its own when the host does; nobody waits for it then.
LEAVE: Final = 2.0


@contextmanager
def followed(work: Work, *, may_end: bool = True) -> Iterator[None]:
    """Follow the host's job on the VM while the body runs the call that does it. may_end: whether the host can end it
    before it is through."""
    over, name = threading.Event(), f"follow {work.operation.pk}"
    thread = threading.Thread(target=follow, args=(work, over, may_end), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LEAVE)


def follow(work: Work, over: threading.Event, may_end: bool) -> None:
    """Until it is over: its percentage onto the row, its movement against the silence limit, its end where asked."""
    last: Job | None = None
    ended = False
    try:
        while not over.wait(LOOK):
            try:
                with work.beside() as connection:
                    job = domain(connection, work.operation).job()
                    if job is None or over.is_set():
                        continue
                    if job != last:
                        work.heard()
                        tell(work.operation, job)
                        last = job
                    if not ended and is_to_end(work.operation):
                        if may_end:
                            domain(connection, work.operation).abort_job()
                        work.log("ending" if may_end else "ends_late")
                        ended = True
            except VirtError as error:
                logger.info("operation %s: its job cannot be followed: %s", work.operation.pk, error.details)
    finally:
        database.close()


def is_to_end(operation: Operation) -> bool:
    return Operation.objects.filter(pk=operation.pk, state=OperationState.CANCELLING).exists()


def tell(operation: Operation, job: Job) -> None:
    """The percentage, when it is another than the row has."""
    percent = percentage(job)
    held = Operation.objects.filter(
        pk=operation.pk, state__in=HELD, worker=operation.worker_id, worker__stopped_at=None
    )  # fmt: skip
    if held.exclude(progress=percent).update(progress=percent):
        live.announce([f"op:{operation.pk}", f"{operation.target_kind}:{operation.target_id}"])


def percentage(job: Job) -> int:
    """What is done of all; 99 at most, since a job that can be asked about is not done."""
    return min(100 * job.done // max(job.done + job.left, 1), 99)
