"""Two that ask at the same moment: one is served, the other is told by whom."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from tests.api.conftest import Program
from tests.conftest import make_vm
from vms.models import Host, Operation, OperationLock, User
from vms.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def together(programs: list[Program], path: str, **headers: str) -> list[Any]:
    """The answers to the same POST, released by a barrier."""
    barrier = threading.Barrier(len(programs))
    answers: list[Any] = []

    def ask(program: Program) -> None:
        program.get("/healthz")
        barrier.wait()
        answers.append(program.post(path, **headers))
        connection.close()

    threads = [threading.Thread(target=ask, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def test_two_starts_twenty_times(host: Host, alice: User) -> None:
    bob = User.objects.create(username="bob", is_administrator=True)
    programs = [Program(tokens.create(user)[1]) for user in (alice, bob)]
    for number in range(20):
        vm = make_vm(host, f"vm-{number}", state="shut_off")
        answers = together(programs, f"/vms/{vm.pk}/start")
        assert sorted(answer.status_code for answer in answers) == [202, 409]
        started = Operation.objects.get(vm=vm)
        refused = next(answer for answer in answers if answer.status_code == 409).json()
        assert (refused["code"], refused["blocking_operation"]["id"]) == ("locked", started.pk)
        assert OperationLock.objects.get(key=f"vm:{vm.pk}").operation == started


def test_one_key_sent_twice_at_once_is_one_operation(host: Host, alice: User) -> None:
    programs = [Program(tokens.create(alice)[1]) for _ in range(2)]
    for number in range(5):
        vm = make_vm(host, f"vm-{number}", state="shut_off")
        answers = together(programs, f"/vms/{vm.pk}/start", **{"Idempotency-Key": f"k{number}"})
        assert [answer.status_code for answer in answers] == [202, 202]
        assert Operation.objects.filter(vm=vm).count() == 1
