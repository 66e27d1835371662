"""What somebody writes himself: only whether it can be read, for what it does it does in his guest."""

from __future__ import annotations

from typing import Any, Final

import yaml

from vms.errors import BadSeed

LONGEST: Final = 64 << 10
DEEPEST: Final = 100
CLOUD_CONFIG: Final = "#cloud-config"
# What BadSeed calls the two.
USER_DATA, NETWORK = "user_data", "network_config"
# How cloud-init tells what a user-data is (https://docs.cloud-init.io/en/latest/explanation/format.html).
BEGINNINGS: Final = (
    "#!", "#include", "#cloud-boothook", "#part-handler", "#cloud-config-archive", "#cloud-config-jsonp",
    "## template: jinja", "Content-Type: multipart/", "MIME-Version:", CLOUD_CONFIG,
)  # fmt: skip


def check_user_data(text: str) -> None:
    """Nothing, or BadSeed: too_long, beginning (a first line that cloud-init does not know), yaml, deep, mapping.

    Only what is all #cloud-config is read; scripts and the other forms are their interpreters'.
    """
    first = text.split("\n", 1)[0].rstrip()
    if len(text.encode()) > LONGEST:
        raise BadSeed(reason="too_long", field=USER_DATA)
    if not first.startswith(BEGINNINGS):
        raise BadSeed(reason="beginning", field=USER_DATA, line=1)
    if first == CLOUD_CONFIG:
        mapping(text, USER_DATA, empty=True)


def check_network(text: str) -> None:
    """Nothing, or BadSeed: too_long, yaml, deep, mapping, version where it is neither 1 nor 2."""
    if len(text.encode()) > LONGEST:
        raise BadSeed(reason="too_long", field=NETWORK)
    told = mapping(text, NETWORK)
    inner = told.get("network", told)
    if not isinstance(inner, dict) or inner.get("version") not in (1, 2):
        raise BadSeed(reason="version", field=NETWORK)


def mapping(text: str, field: str, *, empty: bool = False) -> dict[Any, Any]:
    """What the YAML says, none for an empty one where that may be."""
    try:
        require_shallow(text, field)
        told = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadSeed(reason="yaml", field=field, line=line) from None
    except (yaml.YAMLError, ValueError):
        raise BadSeed(reason="yaml", field=field) from None
    if told is None and empty:
        return {}
    if not isinstance(told, dict):
        raise BadSeed(reason="mapping", field=field)
    return told


def require_shallow(text: str, field: str) -> None:
    """Nothing, or BadSeed where it is nested as no person writes: the library builds it by recursion."""
    now = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        now += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if now > DEEPEST:
            raise BadSeed(reason="deep", field=field)
