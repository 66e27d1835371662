"""The cable between the demo's second host and this machine: two virtual cards with addresses of their own, to which
nothing comes but through them."""

from __future__ import annotations

import subprocess
from typing import Final

CARD: Final = "kvmwebd{}"
# Link-local (RFC 3927): no site's own, and no router passes them on.
NETWORK: Final = "169.254.215.{}"
MOST: Final = 63


def addresses(number: int) -> tuple[str, str]:
    """This machine's, and the second host's."""
    return NETWORK.format(4 * number + 1), NETWORK.format(4 * number + 2)


def names(number: int) -> tuple[str, str]:
    return CARD.format(number), f"{CARD.format(number)}p"


def run(*command: str) -> bool:
    """Whether it went well."""
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def must(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60)


def wall(number: int) -> tuple[str, ...]:
    """A rule of netfilter: Linux takes a packet for any of its addresses from each of its cards, and while a VM comes,
    its QEMU takes whoever connects first."""
    here, _ = names(number)
    network = f"{NETWORK.format(4 * number)}/30"
    return ("PREROUTING", "--destination", network, "!", "--in-interface", here, "--jump", "DROP")


def free(wanted: int) -> int:
    """The number of one that nobody has, the wanted one if it is; another dashboard's host may have that by now. Raises
    RuntimeError."""
    candidates: list[int] = [wanted, *range(MOST)]
    for number in candidates:
        if not run("ip", "link", "show", "dev", names(number)[0]):
            return number
    raise RuntimeError("no card is free between this machine and a second host")


def make(number: int, pid: int) -> None:
    """To the machine whose first process that is, with nothing on it that others could reach. Raises
    CalledProcessError."""
    unwall(number)
    here, there = names(number)
    must("iptables", "--wait", "--table", "mangle", "--insert", *wall(number))
    must("ip", "link", "add", here, "type", "veth", "peer", "name", there)
    must("ip", "link", "set", there, "netns", str(pid))
    enter = ("nsenter", "--target", str(pid), "--net")
    for command, card, address in (((), here, addresses(number)[0]), (enter, there, addresses(number)[1])):
        must(*command, "ip", "address", "add", f"{address}/30", "dev", card)
        must(*command, "ip", "link", "set", card, "up")


def remove(number: int) -> None:
    """What there is of it; the cards go with the machine anyhow."""
    run("ip", "link", "del", names(number)[0])
    unwall(number)


def unwall(number: int) -> None:
    """Also what was left of one whose machine lost its power."""
    while run("iptables", "--wait", "--table", "mangle", "--delete", *wall(number)):
        pass
