"""libvirt's records of running domains become values, whatever is missing in them."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from vms.virt import CardNumbers, DiskNumbers, Numbers
from vms.virt.numbers import counters, numbers

# As libvirt 9.0 tells of a guest with two processors, shortened.
RECORD: dict[str, Any] = {
    "state.state": 1, "state.reason": 1, "cpu.time": 58_000_000_000, "cpu.user": 2, "cpu.system": 3,
    "balloon.current": 1048576, "balloon.maximum": 2097152, "balloon.swap_in": 12, "balloon.swap_out": 34,
    "balloon.major_fault": 1, "balloon.unused": 400000, "balloon.available": 1000000, "balloon.usable": 700000,
    "balloon.rss": 350000, "vcpu.current": 2, "vcpu.maximum": 4, "vcpu.0.state": 1, "vcpu.0.time": 1,
    "vcpu.0.wait": 5, "vcpu.0.delay": 7, "vcpu.1.state": 1, "vcpu.1.time": 1, "vcpu.1.wait": 50, "vcpu.1.delay": 70,
    "net.count": 1, "net.0.name": "vnet3", "net.0.rx.bytes": 1, "net.0.rx.pkts": 2, "net.0.rx.errs": 3,
    "net.0.rx.drop": 4, "net.0.tx.bytes": 5, "net.0.tx.pkts": 6, "net.0.tx.errs": 7, "net.0.tx.drop": 8,
    "block.count": 2, "block.0.name": "vda", "block.0.rd.reqs": 1, "block.0.rd.bytes": 2, "block.0.rd.times": 3,
    "block.0.wr.reqs": 4, "block.0.wr.bytes": 5, "block.0.wr.times": 6, "block.1.name": "sda",
}  # fmt: skip
TOLD = Numbers(
    58_000_000_000, 300000, 9, 2, 77, 55, 1048576, 1000000, 350000, 12, 34,
    (DiskNumbers("vda", 2, 5, 1, 4, 3, 6),), (CardNumbers("vnet3", 1, 5, 2, 6, 4, 8, 3, 7),),
)  # fmt: skip


class Domain:
    """One as a driver without statistics has it; gone: it stops while it is asked."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone

    def UUIDString(self) -> str:
        return "gone" if self.gone else "there"

    def ID(self) -> int:
        return 9

    def info(self) -> list[int]:
        if self.gone:
            raise libvirt.libvirtError("it stopped")
        return [1, 2048, 1024, 2, 10**9]

    def XMLDesc(self, flags: int) -> str:
        card = "<interface type='network'><target dev='veth1'/></interface>"
        return f"<domain type='lxc'><name>c</name><devices>{card}<interface type='network'/></devices></domain>"

    def interfaceStats(self, name: str) -> tuple[int, ...]:
        assert name == "veth1"
        return 1, 2, 3, 4, 5, 6, 7, -1


class Handle:
    """A host that tells the records, or in their place an error."""

    def __init__(self, records: Any) -> None:
        self.records = records

    def getAllDomainStats(self, kinds: int, flags: int) -> Any:
        assert flags & libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        if isinstance(self.records, Exception):
            raise self.records
        return self.records

    def listAllDomains(self, flags: int) -> list[Domain]:
        return [Domain(), Domain(gone=True)]


def refusal(code: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("")
    error.err = (code, 0, "", 0, "", None, None, 0, 0)
    return error


def test_a_record_becomes_a_value() -> None:
    assert numbers(Handle([(Domain(), RECORD)])) == {"there": TOLD}


def test_of_a_stuck_one_only_the_state_is_told() -> None:
    assert numbers(Handle([(Domain(), {"state.state": 1, "state.reason": 1})])) == {}


def test_without_any_one_of_its_fields_it_is_still_a_value() -> None:
    for name in RECORD.keys() - {"cpu.time"}:
        assert counters({key: value for key, value in RECORD.items() if key != name}).cpu_ns == TOLD.cpu_ns, name
    assert counters({"cpu.time": 5}) == Numbers(5, None)


def test_what_a_guest_does_not_tell_is_taken_from_its_process() -> None:
    silent = {key: value for key, value in RECORD.items() if key not in ("balloon.usable", "balloon.unused")}
    assert counters(silent).memory_kib == 350000
    old = {key: value for key, value in RECORD.items() if key != "balloon.usable"}
    assert counters(old).memory_kib == 600000


def test_a_driver_without_such_a_call_is_asked_domain_by_domain() -> None:
    told = numbers(Handle(refusal(libvirt.VIR_ERR_NO_SUPPORT)))
    card = CardNumbers("veth1", 1, 5, 2, 6, 4, 0, 3, 7)
    assert told == {"there": Numbers(10**9, 1024, 9, 2, rss_kib=1024, cards=(card,))}


def test_another_refusal_is_an_error() -> None:
    with pytest.raises(libvirt.libvirtError):
        numbers(Handle(refusal(libvirt.VIR_ERR_INTERNAL_ERROR)))
