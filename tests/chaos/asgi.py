"""The product's web process, which knows one kind more (tests/chaos/kind.py) and makes a route of it."""

from __future__ import annotations

from tests.chaos import kind

kind.register()

from kvmweb.asgi import application  # noqa: E402

__all__ = ["application"]
