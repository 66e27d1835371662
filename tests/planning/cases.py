"""Instances of which something is known."""

from __future__ import annotations

from random import Random
from typing import Final

from vms.planning import Guest, Host

# Of a core the hundredth, of memory the MiB.
CORES, MEMORY = 3200, 262_144
SIZES: Final = (512, 1024, 2048, 4096, 8192, 16_384)


def host(number: int, cpu: int = CORES, memory: int = MEMORY, *, margin: float = 0.1) -> Host:
    limit = (int(cpu * (1 - margin)), int(memory * (1 - margin)))
    return Host(number, limit, (cpu, memory))


def everywhere(hosts: int, price: int) -> dict[int, int]:
    return dict.fromkeys(range(hosts), price)


def scattered(seed: int, guests: int, hosts: int) -> tuple[list[Host], list[Guest]]:
    """Guests as one finds them, each somewhere where it has room."""
    random = Random(seed)
    there = [host(number) for number in range(hosts)]
    free = [list(one.limit) for one in there]
    made = []
    for number in range(guests):
        load = (int(random.lognormvariate(3.2, 0.8)) + 2, random.choice(SIZES[:5]))
        fitting = [one for one in range(hosts) if all(f >= a for f, a in zip(free[one], load, strict=True))]
        where = random.choice(fitting)
        free[where] = [f - a for f, a in zip(free[where], load, strict=True)]
        made.append(Guest(number, load, where, everywhere(hosts, load[1])))
    return there, made


def cut_up(seed: int, needed: int, hosts: int) -> tuple[list[Host], list[Guest]]:
    """So many hosts' limits cut into guests without a rest, which are scattered then: the least number of hosts is
    known, and it leaves no room at all."""
    random = Random(seed)
    there = [host(number) for number in range(hosts)]
    loads = []
    for _ in range(needed):
        pieces = random.randint(8, 20)
        parts = [cut(random, limit, pieces) for limit in there[0].limit]
        loads += list(zip(*parts, strict=True))
    random.shuffle(loads)
    free = [list(one.whole) for one in there]
    made = []
    for number, load in enumerate(loads):
        fitting = [one for one in range(hosts) if all(f >= a for f, a in zip(free[one], load, strict=True))]
        where = random.choice(fitting)
        free[where] = [f - a for f, a in zip(free[where], load, strict=True)]
        made.append(Guest(number, load, where, everywhere(hosts, load[1])))
    return there, made


def cut(random: Random, whole: int, pieces: int) -> list[int]:
    marks = sorted(random.sample(range(1, whole), pieces - 1))
    return [end - start for start, end in zip([0, *marks], [*marks, whole], strict=True)]


def triplets(seed: int, needed: int) -> tuple[list[Host], list[Guest]]:
    """Falkenauer's triplets (1996): bins of 1,000, each filled by exactly three; every guest on a host of its own."""
    random = Random(seed)
    sizes = []
    for _ in range(needed):
        first = random.randint(380, 490)
        second = random.randint(250, (1000 - first) // 2)
        sizes += [first, second, 1000 - first - second]
    random.shuffle(sizes)
    hosts = [Host(number, (1000,), (1000,)) for number in range(len(sizes))]
    guests = [Guest(number, (size,), number, everywhere(len(sizes), size)) for number, size in enumerate(sizes)]
    return hosts, guests
