"""Wiring only: settings, routes, entry points and the supervisor."""

from kvmweb.celery import app as celery_app

__all__ = ["celery_app"]
