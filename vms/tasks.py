"""Celery entry points, nothing else."""

from __future__ import annotations

from celery import shared_task

from vms.operations import process


@shared_task(name="vms.tasks.run_operation")
def run_operation(pk: int) -> None:
    """A knock: the row is what counts, and whoever claims it first runs it."""
    process.current().take(pk)
