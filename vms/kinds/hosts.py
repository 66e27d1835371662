"""Changes of a host itself."""

from __future__ import annotations

from vms.kinds.base import Kind
from vms.kinds.words import mark

GET_READY = Kind(
    name="host.get-ready",
    title=mark("Get it ready"),
    done=mark("made ready"),
    target="host",
    privileges=("host.maintain",),
    silence_seconds=60,
)

TEST = Kind(
    name="host.test",
    title=mark("Test the connection"),
    done=mark("tested"),
    target="host",
    privileges=("host.admin",),
    silence_seconds=30,
    unheard=True,
)

KINDS = (GET_READY, TEST)
