"""What the first start makes, and what later ones leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator

from vms.models import AuditEvent, Host, User
from vms.services import factors, first_start

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "admin-password"


def test_it_makes_one_administrator_with_a_generated_password(file: Path) -> None:
    first_start.ensure_administrator("", file)
    admin = User.objects.get()
    assert (admin.username, admin.is_administrator) == ("admin", True)
    assert admin.check_password(file.read_text().strip())
    assert file.stat().st_mode & 0o777 == 0o600
    assert AuditEvent.objects.get().action == "made:administrator"


def test_a_given_password_is_written_nowhere(file: Path) -> None:
    first_start.ensure_administrator("given by the site", file)
    assert User.objects.get().check_password("given by the site")
    assert not file.exists()


def test_it_changes_nobody_later(file: Path) -> None:
    first_start.ensure_administrator("first of all", file)
    first_start.ensure_administrator("another one", file)
    assert User.objects.get().check_password("first of all")


def test_a_start_that_was_killed_before_the_row_uses_the_same_password(file: Path) -> None:
    password = first_start.generated_password(file)
    first_start.ensure_administrator("", file)
    assert User.objects.get().check_password(password)


def test_a_password_that_was_changed_since_is_not_shown_again(file: Path) -> None:
    first_start.ensure_administrator("", file)
    first_start.ensure_administrator("", file)
    assert file.exists()
    admin = User.objects.get()
    admin.set_password("chosen by herself")
    admin.save()
    first_start.ensure_administrator("", file)
    assert not file.exists()


def test_a_new_password_replaces_the_old_and_lets_in_again(file: Path) -> None:
    first_start.ensure_administrator("forgotten long ago", file)
    User.objects.update(is_active=False)
    first_start.renew_password(file)
    admin = User.objects.get()
    assert admin.check_password(file.read_text().strip()) and admin.is_active
    assert not admin.check_password("forgotten long ago")


def test_a_new_password_asks_for_no_second_step(file: Path) -> None:
    first_start.ensure_administrator("forgotten long ago", file)
    admin = User.objects.get()
    Authenticator.objects.create(user=admin, type="totp", data={})
    first_start.renew_password(file)
    assert not factors.is_on(admin)
    assert AuditEvent.objects.get(action="renewed:password").facts["second_step_ended"]


def test_generated_passwords_differ_and_hold_nothing_ambiguous() -> None:
    made = {first_start.generate_password() for _ in range(100)}
    assert len(made) == 100
    assert not set("".join(made)) & set("lIO01")


def test_this_machine_is_the_first_host() -> None:
    first_start.ensure_host("box", "", "m1")
    first_start.ensure_host("renamed", "", "m1")
    assert Host.objects.values_list("name", "node", "transport", "socket").get() == ("box", "box", "local", "")


def test_a_socket_of_the_sites_own_is_kept_with_the_host() -> None:
    first_start.ensure_host("box", "/run/other/libvirt-sock", "m1")
    assert Host.objects.values_list("transport", "socket").get() == ("unix", "/run/other/libvirt-sock")


def test_a_local_host_of_an_earlier_release_learns_which_machine_it_is() -> None:
    Host.objects.create(name="box", node="box", transport="local")
    first_start.ensure_host("box", "", "m1")
    assert Host.objects.get().machine == "m1"
    first_start.ensure_host("box", "", "m2")
    assert Host.objects.get().machine == "m1"
