"""Long calls: while one runs, a thread beside it tells how far it is, and ends it where that was asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection as database

from vms import live
from vms.errors import VirtError
from vms.models import Operation, OperationState
from vms.operations.transitions import HELD
from vms.operations.work import Work, domain
from vms.virt import Domain, Job

logger = logging.getLogger(__name__)

LOOK: Final = 0.5
# The thread beside may hang in a call of its own when the host does; nobody waits for it then.
LEAVE: Final = 2.0


def whole(domain: Domain) -> Job | None:
    """The host's job on the VM."""
    return domain.job()


@contextmanager
def followed(
    work: Work, look: Callable[[Domain], Job | None] = whole, *, may_end: bool = True
) -> Iterator[None]:  # fmt: skip
    """Follow the host's job on the VM while the body runs the call that does it; look: how that is asked for, where it
    is one that is not ended from here. may_end: whether the host can end it before it is through."""
    over = threading.Event()
    args = (work, over, look, may_end)
    thread = threading.Thread(target=follow, args=args, name=f"follow {work.operation.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LEAVE)


def follow(work: Work, over: threading.Event, look: Callable[[Domain], Job | None], may_end: bool) -> None:
    """Until it is over: its percentage onto the row, its movement against the silence limit, its end where asked."""
    last: Job | None = None
    ended = False
    try:
        while not over.wait(LOOK):
            try:
                with work.beside() as connection:
                    job = look(domain(connection, work.operation))
                    if job is None or over.is_set():
                        continue
                    if job != last:
                        work.heard()
                        tell(work.operation, job)
                        last = job
                    if look is whole and not ended and is_to_end(work.operation):
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
