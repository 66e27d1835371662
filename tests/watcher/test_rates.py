"""From counters to rates: what is known exactly, and None for everything else; never below nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vms.metrics import HOST, VM
from vms.virt import CardNumbers, DiskNumbers, HostNumbers, Numbers
from vms.watcher.rates import host_rates, rates

DISK = DiskNumbers("vda", 1000, 2000, 10, 20, 5_000_000, 8_000_000)
CARD = CardNumbers("vnet0", 100, 200, 1, 2, 0, 0, 0, 0)
FIRST = Numbers(10**9, 1 << 20, 4, 2, 10**6, 10**6, 1 << 20, 1 << 20, 1 << 20, 0, 0, (DISK,), (CARD,))
LATER = Numbers(
    11 * 10**9, 1 << 19, 4, 2, 10**9 + 10**6, 2 * 10**9 + 10**6, 1 << 20, 1 << 20, 1 << 20, 8, 16,
    (DiskNumbers("vda", 11_000, 22_000, 15, 40, 10_000_000, 28_000_000),),
    (CardNumbers("vnet0", 1100, 2200, 11, 22, 3, 2, 1, 0),),
)  # fmt: skip


def told(before: Numbers | None, now: Numbers, seconds: float = 10.0) -> dict[str, float | None]:
    return dict(zip(VM.names, rates(before, now, seconds, 1), strict=True))


def test_every_value_is_in_its_place() -> None:
    assert told(FIRST, LATER) == {
        "cpu": 50.0, "steal": 5.0, "wait": 10.0, "memory": 1 << 29, "memory_balloon": 1 << 30,
        "memory_process": 1 << 30, "swap_in": 819.2, "swap_out": 1638.4, "disk_read": 1000.0, "disk_write": 2000.0,
        "disk_reads": 0.5, "disk_writes": 2.0, "disk_read_latency": 0.001, "disk_write_latency": 0.001,
        "net_in": 100.0, "net_out": 200.0, "net_packets_in": 1.0, "net_packets_out": 2.0, "net_drops": 0.5,
        "net_errors": 0.1,
    }  # fmt: skip


def only_memory(values: dict[str, float | None]) -> bool:
    return {name for name, value in values.items() if value is not None} <= {
        "memory", "memory_balloon", "memory_process",
    }  # fmt: skip


def test_the_first_sample_another_run_and_counters_that_went_back_tell_the_present_alone() -> None:
    assert only_memory(told(None, LATER))
    assert only_memory(told(FIRST, LATER._replace(run_id=5)))
    assert only_memory(told(LATER, FIRST))
    assert only_memory(told(FIRST, LATER, 0.0))
    assert only_memory(told(FIRST, LATER, -3600.0))


def test_a_disk_that_came_or_went_counts_for_nothing() -> None:
    other = DiskNumbers("vdb", 1 << 40, 1 << 40, 1 << 20, 1 << 20, 1 << 50, 1 << 50)
    assert told(FIRST, LATER._replace(disks=(*LATER.disks, other)))["disk_read"] == 1000.0
    assert told(FIRST._replace(disks=(DISK, other)), LATER)["disk_read"] == 1000.0
    assert told(FIRST._replace(disks=(other,)), LATER)["disk_read"] is None
    began_anew = FIRST._replace(disks=(DISK._replace(writes=10**9), other))
    same = LATER._replace(disks=(*LATER.disks, other))
    assert told(began_anew, same)["disk_read"] == 0.0


def test_what_is_missing_is_missing() -> None:
    assert told(Numbers(0, None), Numbers(5 * 10**9, None)) == {
        name: 50.0 if name == "cpu" else None for name in VM.names
    }
    assert told(FIRST, LATER._replace(steal_ns=None))["steal"] is None
    assert told(FIRST, LATER._replace(swap_in_kib=None))["swap_in"] is None


counter = st.integers(0, 2**63)
maybe = st.none() | counter
records = st.builds(
    Numbers, counter, maybe, st.none() | st.integers(1, 2), st.none() | st.integers(0, 4), maybe, maybe, maybe, maybe,
    maybe, maybe, maybe,
    st.lists(st.builds(DiskNumbers, st.sampled_from(["vda", "vdb"]), *[counter] * 6), max_size=2).map(tuple),
    st.lists(st.builds(CardNumbers, st.sampled_from(["vnet0", "vnet1"]), *[counter] * 8), max_size=2).map(tuple),
)  # fmt: skip


@given(st.none() | records, records, st.floats(-10, 1000))
def test_nothing_is_ever_below_nothing_and_no_share_above_all(
    before: Numbers | None, now: Numbers, seconds: float
) -> None:
    values = told(before, now, seconds)
    assert len(values) == len(VM.names)
    assert all(value is None or value >= 0 for value in values.values())
    assert all(values[name] is None or (values[name] or 0) <= 100 for name in ("cpu", "steal", "wait"))


def test_a_host() -> None:
    before = HostNumbers(10**9, 9 * 10**8, 4096, 1024, {}, {}, 10**8)
    now = HostNumbers(2 * 10**9, 10**9, 4096, 2048, {}, {}, 2 * 10**8)
    assert dict(zip(HOST.names, host_rates(before, now), strict=True)) == {
        "cpu": 90.0, "wait": 10.0, "memory": 2048 * 1024,
    }  # fmt: skip
    for first, then in ((None, now), (now, before), (now, now)):
        assert host_rates(first, then)[:2] == [None, None]
