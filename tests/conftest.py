"""The cast and the stage: an administrator, somebody without rights, a host with VMs, a Redis of the suite's own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.core.management.commands import flush
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests import environment, tables
from vms import live, metrics
from vms.chain import keys
from vms.models import Document, Host, Lease, Placement, User, VirtualMachine
from vms.permissions import Actor
from vms.services import factors, sealing
from vms.services.roles import keep_fixed

# How long an example takes is the machine's affair, and others may be at work on it.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

TRIGGERS = import_module("vms.migrations.0008_audit_chain")

pytest_plugins = ["tests.lab.fixtures"]


@pytest.fixture(scope="session", autouse=True)
def sealing_keys() -> None:
    """What `manage.py setup` makes before the first process starts."""
    sealing.ensure_keys(settings.ENVIRONMENT.key_file, settings.STATE.sealing_key)
    keys.ensure(settings.ENVIRONMENT.audit_keys)


@pytest.fixture(scope="session", autouse=True)
def tables_of_numbers(request: pytest.FixtureRequest, django_db_blocker: Any) -> None:
    """What `manage.py setup` makes; of PostgreSQL in the database of the tests."""
    if settings.METRICS_DATABASE is None:
        request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        metrics.prepare()
        metrics.close()


@pytest.fixture(scope="session", autouse=True)
def quick_hash() -> Iterator[None]:
    """Argon2 at its cheapest: the tests sign in often, and what one guess costs is Django's own default."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"time_cost": 1, "memory_cost": 8, "parallelism": 1}.items():
            patch.setattr(Argon2PasswordHasher, name, value)
        yield


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether the tables are there, so that no migration is left to be run."""
    return connection.vendor == "sqlite" and tables.lay(Path(connection.settings_dict["TEST"]["NAME"]))


@pytest.fixture(scope="session", autouse=True)
def flush_of_what_stays() -> Iterator[None]:
    """A test that commits ends by emptying all tables; those that let go of nothing are opened for that moment.

    Of the rows that migrations leave, the roles come back; Django's own of each model and permission nobody asks for.
    """
    operations = type(connection.ops)
    emptied = operations.sql_flush

    def opened(self: Any, *args: Any, **kwargs: Any) -> list[str]:
        vendor = connection.vendor
        return [*TRIGGERS.drop_triggers(vendor), *emptied(self, *args, **kwargs), *TRIGGERS.make_triggers(vendor)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "sql_flush", opened)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *words: keep_fixed())
        yield


@pytest.fixture(scope="session")
def redis_server() -> None:
    environment.start_redis()
    for _ in range(100):
        try:
            live.connection().ping()
            return
        except Exception:
            time.sleep(0.05)
    raise AssertionError("Redis does not answer")


@pytest.fixture
def redis(redis_server: None) -> Iterator[None]:
    """An empty Redis."""
    live.connection().flushall()
    yield
    live.connection().flushall()


@cache
def password_hash() -> str:
    """Of "correct horse battery"; made once."""
    return make_password("correct horse battery")


def make_alice() -> User:
    return User.objects.create(username="alice", password=password_hash(), is_administrator=True)


@pytest.fixture
def alice(db: None) -> User:
    """Administers everything."""
    return make_alice()


@pytest.fixture
def mallory(db: None) -> User:
    """Has an account and no right."""
    return User.objects.create(username="mallory", password=password_hash(), is_staff=True, is_superuser=True)


@pytest.fixture
def actor(alice: User) -> Actor:
    return Actor(alice)


def sign_in(user: User, age: timedelta = timedelta()) -> Client:
    """A browser in which the user is signed in, with the session row that the dashboard asks for; age: how long ago he
    gave his password there."""
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    client.force_login(user)
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [
        {"method": "password", "at": (timezone.now() - age).timestamp(), "username": user.get_username()}
    ]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()
    UserSession.objects.create(
        user=user, ip="127.0.0.1", session_key=client.session.session_key or "", user_agent="tests"
    )
    return client


@pytest.fixture
def client_alice(alice: User) -> Client:
    return sign_in(alice)


@pytest.fixture
def client_mallory(mallory: User) -> Client:
    return sign_in(mallory)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock by which codes of the second step are judged stands still."""
    now = time.time()
    monkeypatch.setattr(factors, "time", lambda: now)


def make_host(name: str = "host-a") -> Host:
    return Host.objects.create(
        name=name, node="node-a", libvirt_uuid=uuid.UUID(int=0xA), heard_at=timezone.now(),
        facts={"domain_type": "qemu", "cpus": 2, "memory_kib": 4 << 20},
    )  # fmt: skip


@pytest.fixture
def host(db: None) -> Host:
    return make_host()


def make_vm(host: Host, name: str = "web-01", state: str = "running", **fields: Any) -> VirtualMachine:
    """A VM as the watcher would have stored it."""
    vm = VirtualMachine.objects.create(name=name)
    identity = uuid.uuid4()
    defaults: dict[str, Any] = {
        "state_since": timezone.now(),
        "read_at": timezone.now(),
        "vcpus": 2,
        "memory_kib": 1 << 20,
        "graphics": ["vnc"],
        "run_id": 1 if state in ("running", "paused") else None,
        "search": f"{name} {identity}".lower(),
    }
    vm.placement = Placement.objects.create(
        vm=vm, host=host, uuid=identity, name=name, state=state, **{**defaults, **fields}
    )
    vm.save(update_fields=["placement"])
    Document.objects.create(placement=vm.placement, next_boot="", live="")
    return vm


def silence(host: Host, details: str = "") -> None:
    """A living watcher says that it does not hear the host."""
    Host.objects.filter(pk=host.pk).update(error_code="host_unreachable", error_details=details)
    Lease.objects.create(host=host, watcher="watcher", until=timezone.now() + timedelta(seconds=9))


@pytest.fixture
def vm(host: Host) -> VirtualMachine:
    return make_vm(host)
