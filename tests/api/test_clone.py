"""VMs made after others, by API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from tests.views.test_clone import pool, source
from vms.models import Operation, StoragePool, VirtualMachine

__all__ = ["pool", "source"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_tells_what_can_be_done_and_what_comes_of_it(program: Program, source: VirtualMachine) -> None:
    where = f"/vms/{source.pk}/clone"
    ways = program.get(where).json()
    assert [(one["target"], one["ways"]) for one in ways] == [("vda", ["copy", "linked", "none"]), ("vdb", ["none"])]
    shown = program.post(f"{where}/preview", {"name": "new"}).json()
    assert "new.qcow2" in shown["xml"] and shown["takes"]["disk_bytes"] == 4 << 30
    assert {one["code"] for one in shown["warnings"]} == {"clone_same", "clone_left"}
    assert not Operation.objects.exists()


def test_the_same_key_makes_one(program: Program, source: VirtualMachine, pool: StoragePool) -> None:
    where, key = f"/vms/{source.pk}/clone", {"Idempotency-Key": "once"}
    disks = [{"target": "vda", "how": "linked", "pool": pool.pk}]
    body = {"name": "new", "disks": disks, "networks": [{"network": None}]}
    first = program.post(where, body, **key)
    assert first.status_code == 202, first.content
    assert program.post(where, body, **key).json()["operation"]["id"] == first.json()["operation"]["id"]
    assert program.post(where, {**body, "name": "other"}, **key).status_code == 422
    [disk] = Operation.objects.get().params["disks"]
    assert (disk["linked"], disk["pool"], disk["name"]) == (True, pool.pk, "new.qcow2")


def test_several_are_answered_with_all_of_them(program: Program, source: VirtualMachine) -> None:
    where, key = f"/vms/{source.pk}/clone", {"Idempotency-Key": "once"}
    answer = program.post(where, {"name": "new-#", "count": 2}, **key)
    assert answer.status_code == 202, answer.content
    found = answer.json()
    assert [one["target"]["name"] for one in found["operations"]] == ["new-1", "new-2"]
    assert found["operation"] == found["operations"][0]
    assert program.post(where, {"name": "new-#", "count": 2}, **key).json() == found
    shown = program.post(f"{where}/preview", {"name": "more-#", "count": 2}).json()
    assert shown["takes"]["vms"] == 1 and "<name>more-1</name>" in shown["xml"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "new", "uuid": "0" * 32}, 422), ({"name": "new", "disks": [{"target": "../x", "how": "copy"}]}, 422),
        ({"name": "new", "disks": [{"target": "vdz", "how": "copy"}]}, 422),
        ({"name": "new", "disks": [{"target": "vdb", "how": "copy"}]}, 422),
        ({"name": "new", "networks": [{"network": 9999}]}, 422), ({"name": "new", "pool": 9999}, 422),
        ({"name": "new", "networks": []}, 202), ({"name": "a\nb"}, 422), ({}, 422),
        ({"name": "new", "count": 2}, 422), ({"name": "new-#", "count": 101}, 422), ({"name": "new-#"}, 202),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    program: Program, source: VirtualMachine, body: dict[str, object], status: int
) -> None:
    assert program.post(f"/vms/{source.pk}/clone", body).status_code == status


def test_a_stranger_knows_nothing_of_it(stranger: Program, source: VirtualMachine) -> None:
    for answer in (stranger.get(f"/vms/{source.pk}/clone"), stranger.post(f"/vms/{source.pk}/clone", {"name": "new"})):
        assert problem(answer, 404, "not_there")
