"""Numbers over time by API, and all of them for Prometheus."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from tests.api.conftest import Program, problem
from tests.conftest import make_vm
from tests.grants import grant
from tests.metrics.emptied import emptied
from vms import live, metrics
from vms.metrics import GUEST, HOST, POOL, VM
from vms.models import Host, StoragePool, User, VirtualMachine
from vms.services import tokens
from vms.virt import CardNumbers, DiskNumbers, Numbers
from vms.watcher.numbers import Sampler

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


def values(**named: float) -> list[float | None]:
    return [named.get(name) for name in VM.names]


def test_a_vms_numbers(program: Program, vm: VirtualMachine) -> None:
    now = int(time.time())
    metrics.store({VM: [(vm.pk, now - 10, values(cpu=12.5, memory=1 << 30)), (vm.pk, now - 5, values(cpu=25))]})
    told = program.get(f"/vms/{vm.pk}/metrics?series=cpu,memory&step=1&from={now - 60}&to={now}").json()
    assert told == {
        "from": now - 60, "to": now, "step": 1, "period": None,
        "units": {"cpu": "percent", "memory": "bytes"},
        "series": {
            "cpu": [[now - 10, 12.5], [now - 5, 25.0]], "memory": [[now - 10, float(1 << 30)], [now - 5, None]],
        },
    }  # fmt: skip
    everything = program.get(f"/vms/{vm.pk}/metrics").json()
    assert set(everything["series"]) == {*VM.names, *GUEST.names}
    assert everything["to"] - everything["from"] == 3600


def test_a_hosts_numbers_and_how_often_they_are_taken(program: Program, host: Host) -> None:
    now = int(time.time())
    metrics.store({HOST: [(host.pk, now - 5, [50.0, 1.0, 2 << 30])]})
    live.store_host_use(host.pk, {"period": 7.5})
    told = program.get(f"/hosts/{host.pk}/metrics?step=1&from={now - 60}").json()
    assert told["series"] == {
        "cpu": [[now - 5, 50.0]], "wait": [[now - 5, 1.0]], "memory": [[now - 5, float(2 << 30)]],
    }  # fmt: skip
    assert told["period"] == 7.5


def test_what_a_guest_tells_stands_beside_what_its_host_counts(program: Program, vm: VirtualMachine) -> None:
    now = int(time.time())
    metrics.store({VM: [(vm.pk, now - 5, values(cpu=25))], GUEST: [(vm.pk, now - 7, [80.5, 1 << 30, 2 << 30])]})
    told = program.get(f"/vms/{vm.pk}/metrics?series=fullest_filesystem,cpu&step=1&from={now - 60}").json()
    assert told["series"] == {"fullest_filesystem": [[now - 7, 80.5]], "cpu": [[now - 5, 25.0]]}
    assert told["units"]["fullest_filesystem"] == "percent"


def test_a_pools_space(program: Program, host: Host) -> None:
    pool = StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="default")
    now = int(time.time())
    metrics.store({POOL: [(pool.pk, now - 60, [1 << 40, 2 << 40])]})
    told = program.get(f"/pools/{pool.pk}/metrics?step=1&from={now - 120}").json()
    assert told["series"] == {"used": [[now - 60, float(1 << 40)]], "capacity": [[now - 60, float(2 << 40)]]}


def test_times_are_numbers_or_iso_8601(program: Program, vm: VirtualMachine) -> None:
    for given in (
        "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z",
        "from=2026-01-01&to=2026-01-02",
        "from=1767225600&to=1767312000",
        "from=2026-01-01T01:00:00%2B01:00&to=2026-01-02T00:00:00",
    ):
        told = program.get(f"/vms/{vm.pk}/metrics?{given}").json()
        assert (told["from"], told["to"]) == (1767225600, 1767312000), given


@pytest.mark.parametrize(
    "query", ["series=cpu,rubbish", "step=0", "step=-5", "step=x", "from=x", "from=2&to=1", "of=least", "form=1",
              "to=99999999999999999999", "series=" + "cpu," * 200],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(program: Program, vm: VirtualMachine, query: str) -> None:
    problem(program.get(f"/vms/{vm.pk}/metrics?{query}"), 422, "invalid")


def test_who_sees_the_vm_sees_its_numbers_and_no_others(stranger: Program, mallory: User, vm: VirtualMachine) -> None:
    other = make_vm(vm.placement.host, "other")  # type: ignore[union-attr]
    grant(mallory, "viewer", vm)
    assert stranger.get(f"/vms/{vm.pk}/metrics").status_code == 200
    assert stranger.get(f"/vms/{other.pk}/metrics").status_code == 404


def scraped(**headers: str) -> Any:
    return Client().get("/metrics", headers=headers)


def bearer(user: User, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.create(user, scopes=scopes)[1]}"}


def feed(host: Host, vm: VirtualMachine) -> None:
    """Two samples, five seconds apart."""
    assert vm.placement
    sampler = Sampler(host, lambda family, samples: None)
    for second in (0, 5):
        told = Numbers(
            second * 10**9, 1024, 3, 2, 10**6, None, 2048, disks=(DiskNumbers("vda", 10, 20, 1, 2, 3, 4),),
            cards=(CardNumbers("vnet9", 1, 2, 3, 4, 5, 6, 7, 8),),
        )  # fmt: skip
        sampler.sample({str(vm.placement.uuid): told}, {}, 5.0, 100.0 + second, 1_700_000_000.0 + second)


def test_prometheus_is_told_all_counters(alice: User, host: Host, vm: VirtualMachine) -> None:
    VirtualMachine.objects.filter(pk=vm.pk).update(name='q"uo\\te')
    feed(host, vm)
    answer = scraped(**bearer(alice, "metrics.scrape"))
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().split("\n")
    for line in (
        "# TYPE kvmweb_vm_cpu_seconds_total counter",
        f'kvmweb_vm_cpu_seconds_total{{vm="{vm.pk}"}} 5',
        f'kvmweb_vm_cpu_steal_seconds_total{{vm="{vm.pk}"}} 0.001',
        f'kvmweb_vm_memory_bytes{{vm="{vm.pk}"}} 1048576',
        f'kvmweb_vm_disk_written_bytes_total{{vm="{vm.pk}",disk="vda"}} 20',
        f'kvmweb_vm_card_transmit_bytes_total{{vm="{vm.pk}",card="0"}} 2',
        f'kvmweb_vm_info{{vm="{vm.pk}",name="q\\"uo\\\\te",host="{host.pk}"}} 1',
        f'kvmweb_vm_up{{vm="{vm.pk}"}} 1',
        f'kvmweb_host_up{{host="{host.pk}"}} 1',
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith("kvmweb_vm_cpu_wait_seconds_total")]


def test_it_takes_the_privilege_by_the_token_too(alice: User, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "owner", vm)
    assert scraped().status_code == 401
    assert scraped(Authorization="Bearer kvmweb_wrong").status_code == 401
    assert scraped(**bearer(alice, "viewer")).status_code == 403
    assert scraped(**bearer(mallory, "all")).status_code == 403
    assert scraped(**bearer(alice, "all")).status_code == 200


def test_it_costs_the_same_for_one_vm_and_for_many(
    alice: User, host: Host, vm: VirtualMachine, django_assert_max_num_queries: Any
) -> None:
    headers = bearer(alice, "metrics.scrape")
    for number in range(20):
        make_vm(host, f"vm-{number}")
    with django_assert_max_num_queries(6):
        scraped(**headers)


@pytest.mark.django_db(transaction=True)
def test_debians_prometheus_scrapes_it(
    live_server: LiveServer, alice: User, host: Host, vm: VirtualMachine, tmp_path: Path
) -> None:
    program = shutil.which("prometheus")
    assert program, "Debian's package prometheus is not installed"
    feed(host, vm)
    (tmp_path / "token").write_text(tokens.create(alice, scopes=["metrics.scrape"])[1])
    target = live_server.url.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        yaml.safe_dump({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{
                "job_name": "kvmweb", "static_configs": [{"targets": [target]}],
                "authorization": {"credentials_file": str(tmp_path / "token")},
            }],
        })
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        found: list[Any] = []
        until = time.monotonic() + 60
        while not found:
            assert time.monotonic() < until and process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.3)
            # The name joined to a counter by the VM's id.
            found = ask(port, "kvmweb_vm_cpu_seconds_total * on(vm) group_left(name) kvmweb_vm_info")
        assert (found[0]["metric"]["name"], found[0]["value"][1]) == ("web-01", "5")
        assert ask(port, "scrape_samples_scraped")[0]["value"][1] != "0"
        assert ask(port, 'up{job="kvmweb"}')[0]["value"][1] == "1"
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, query: str) -> list[Any]:
    try:
        address = f"http://127.0.0.1:{port}/api/v1/query?query={quote(query)}"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return list(json.load(answer)["data"]["result"])
    except OSError:
        return []
