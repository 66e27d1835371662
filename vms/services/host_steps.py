"""A host that is added over ssh in three steps: its user lets the dashboard's key in, somebody compares the machine's
key, and libvirt answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vms.models import Host, Operation
from vms.services.freshness import Freshness
from vms.services.host_keys import admitting_line, fingerprint, key_file

State = Literal["todo", "done", "failed", "working"]

# Said before the machine looks at our key, and by somebody who did look at it.
BEFORE_OUR_KEY = (
    "", "host_unreachable", "bad_host_field", "name_unknown", "port_closed", "no_route", "hung_up", "timed_out",
    "host_key_unknown", "host_key_changed", "not_libvirt",
)  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """line: step 1, our key there; key: step 2, the machine's key; link: step 3. trouble is an error code, "" for
    none; its params and the machine's own words beside it."""

    line: State
    key: State
    link: State
    command: str
    offered: str
    offered_file: str
    accepted: str
    changed: bool
    trouble: str
    trouble_params: dict[str, object]
    details: str


def steps(host: Host, fresh: Freshness, test: Operation | None) -> Steps | None:
    """How far it is; None for a host that is reached another way, that answers, or that is left alone."""
    if host.transport != Host.Transport.SSH or fresh in ("live", "alone"):
        return None
    asking = bool(test and test.is_open)
    trouble, params, details = problem(host, test)
    changed = bool(host.host_key) and trouble == "host_key_changed"
    key: State = "failed" if changed else "done" if host.host_key else "working" if asking else "todo"
    line: State = "todo" if trouble in BEFORE_OUR_KEY else "failed" if trouble == "key_refused" else "done"
    trying = host.host_key and not trouble
    return Steps(
        line=line,
        key=key,
        link="working" if trying else "failed" if host.host_key and not changed else "todo",
        command=admitting_line(host.public_key),
        offered=fingerprint(host.offered_key),
        offered_file=key_file(host.offered_key),
        accepted=fingerprint(host.host_key),
        changed=changed,
        trouble="" if trouble == "host_key_unknown" or changed else trouble,
        trouble_params=params,
        details=details,
    )


def problem(host: Host, test: Operation | None) -> tuple[str, dict[str, object], str]:
    """What stands in the way: the watcher's word where it connects by itself, else what the last test found."""
    if host.host_key:
        # Until the watcher has tried with the key that was just accepted, its old word means nothing.
        code = "" if host.error_code == "host_key_unknown" else host.error_code
        return code, host.error_params, host.error_details
    if test is None or test.is_open or test.state == "succeeded":
        return "", {}, ""
    return test.error_code or "unknown", test.error_params, test.details
