"""A hundred hosts with 10,000 VMs of libvirt's test driver; each figure beside what it is compared with."""

from tests.bench.scale.measure import measure

__all__ = ["measure"]
