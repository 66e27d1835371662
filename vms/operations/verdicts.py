"""What became of a pool or a network that was to be started, stopped or forgotten: by facts that say whether it is
there, active and started with the host, and whether the last is wanted."""

from __future__ import annotations

from vms.operations.way import Facts, Verdict


def is_active(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["active"] else Verdict.UNDONE


def is_stopped(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["active"] else Verdict.DONE


def is_set(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["autostart"] == now.get("wanted") else Verdict.UNDONE


def is_gone(before: Facts, now: Facts) -> Verdict:
    """A part of it may be done: stopped, or half of what is in it deleted."""
    if not now["there"]:
        return Verdict.DONE
    return Verdict.UNDONE if now["active"] == before["active"] else Verdict.UNKNOWN
