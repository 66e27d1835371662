"""What the API says of itself is true, tried with generated requests, good ones and bad ones."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings

from tests.api.conftest import Program
from tests.routes import World
from vms.api import problems
from vms.api.urls import api

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
WORLD_STANDS = True

schema = schemathesis.openapi.from_dict(problems.described(api.get_openapi_schema()))
schema.app = get_wsgi_application()
CHECKS = [
    getattr(schemathesis.checks, name)
    for name in (
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
        "response_headers_conformance",
    )
]  # fmt: skip


@pytest.fixture(autouse=True)
def connection_of_the_test() -> Iterator[None]:
    """As Django's own test client does: the end of a request must not close what the test is in the middle of."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=10, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
def test_every_answer_is_one_that_was_promised(case: Any, program: Program, world: World) -> None:
    for name in case.path_parameters or {}:
        # Numbers out of the air would meet nothing but 404; every other one meets what is there.
        if isinstance(case.path_parameters[name], int) and case.path_parameters[name] % 2 == 0:
            case.path_parameters[name] = 1 if name == "number" else getattr(world, name.removesuffix("_id")).pk
    case.call_and_validate(headers=program.headers, checks=CHECKS)


def test_it_names_every_verb_and_both_ways_to_sign_in(program: Program) -> None:
    said = program.get("/openapi.json").json()
    assert {
        "/api/v1/vms/{vm_id}/start",
        "/api/v1/vms/{vm_id}/console",
        "/api/v1/operations/{operation_id}/cancel",
    } <= set(said["paths"])
    assert {scheme["type"] for scheme in said["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    names = [operation["operationId"] for path in said["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert all(operation["security"] for path in said["paths"].values() for operation in path.values())


# Refused in the world of the access table; tests/api/test_hosts.py and test_console.py, tests/services/test_offers.py,
# tests/views/test_images.py, tests/lab/test_volumes.py, test_pools.py, test_transfer.py and test_imports.py prepare
# what they need.
NEED_MORE = {
    "POST /api/v1/advice/{advice_id}/apply",
    "DELETE /api/v1/hosts/{host_id}",
    "PUT /api/v1/hosts/{host_id}/move-routes",
    "POST /api/v1/hosts/{host_id}/accept-key",
    "POST /api/v1/hosts/{host_id}/accept-machine",
    "DELETE /api/v1/volumes/{volume_id}",
    "GET /api/v1/volumes/{volume_id}/download",
    "POST /api/v1/images",
    "POST /api/v1/offers",
    "POST /api/v1/plans/{plan_id}/cancel",
    "POST /api/v1/plans/{plan_id}/continue",
    "POST /api/v1/plans/{plan_id}/pause",
    "POST /api/v1/plans/{plan_id}/run",
    "POST /api/v1/plans/{plan_id}/undo",
    "POST /api/v1/pools/{pool_id}/join",
    "POST /api/v1/pools/{pool_id}/separate",
    "POST /api/v1/volumes/{volume_id}/check",
    "POST /api/v1/volumes/{volume_id}/wipe",
    "POST /api/v1/vms/import",
    "POST /api/v1/vms/{vm_id}/devices/{device}/move",
    "POST /api/v1/vms/{vm_id}/dump",
    "POST /api/v1/vms/{vm_id}/console/take-over",
    "POST /api/v1/vms/{vm_id}/migrate",
    "POST /api/v1/vms/{vm_id}/template",
    "PUT /api/v1/vms/{vm_id}/xml",
    "POST /api/v1/vms/{vm_id}/snapshots",
    "POST /api/v1/vms/{vm_id}/flatten",
}


def test_an_administrator_gets_a_good_answer_from_every_operation() -> None:
    """tests/security/test_access.py asks each of them; here none is missing there."""
    table = tomllib.loads((Path(__file__).parents[1] / "data" / "access.toml").read_text())
    rows = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{route}"): row for route, row in table.items()}
    described = problems.described(api.get_openapi_schema())["paths"]
    refused = []
    for path, operations in described.items():
        for method in operations:
            row = rows[path]
            good = str(row.get(method.upper(), row["*"])).split()[-1].startswith("2")
            refused += [] if good else [f"{method.upper()} {path}"]
    assert set(refused) == NEED_MORE
