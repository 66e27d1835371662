"""`scripts/lab`: hosts to add to a dashboard, each a real libvirtd with sshd in namespaces of its own.

up [1-3] [--no-guests]  start them and print how each is added; again starts them anew
status                  print it once more
enter NAME [command]    a shell on the host, as its root: here the line that the dashboard shows is run
down                    end them; nothing stays, also where they were killed
"""

from __future__ import annotations

import os
import sys

from tests.lab import keeper

ENTER = ("nsenter", "--mount", "--uts", "--ipc", "--net", "--pid", "--wd=/root", "--target")

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


def print_hosts(hosts: list[dict[str, str]]) -> None:
    if not hosts:
        print("No lab host runs. Start some with: scripts/lab up")
    for host in hosts:
        print(f"""
{host["name"]}
  ssh    address {host["address"]}, user root; its key is {host["fingerprint"]};
         run the line that the dashboard shows in: scripts/lab enter {host["name"]}
  tls    address {host["address"]}; ca.pem, client.pem and client.key are in {host["folder"]}
  tcp    address {host["address"]}, unencrypted; only this machine's root gets there
  unix   socket {host["socket"]}""")


def enter(name: str, command: list[str]) -> None:
    """Become a process of the host."""
    for host in keeper.hosts():
        if host["name"] == name:
            environment = {
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "TERM": os.environ.get("TERM", "dumb"),
            }
            os.execvpe(ENTER[0], [*ENTER, host["pid"], "--", *(command or ["/bin/sh"])], environment)
    raise SystemExit(f"No lab host {name} runs.")


def main(words: list[str]) -> None:
    if words[:1] not in (["up"], ["down"], ["status"], ["enter"]):
        raise SystemExit(__doc__)
    if os.geteuid() != 0:
        raise SystemExit("Namespaces and virtual cards need root: sudo scripts/lab ...")
    match words[0]:
        case "up":
            count = next((int(word) for word in words[1:] if word in ("1", "2", "3")), 2)
            # Whoever became root by sudo plays with a dashboard of his own.
            users = tuple({0, int(os.environ.get("SUDO_UID", "0"))})
            print_hosts(keeper.start(count, users, guests="--no-guests" not in words))
        case "status":
            print_hosts(keeper.hosts())
        case "enter":
            enter(words[1] if len(words) > 1 else "", words[2:])
        case "down":
            keeper.clear()
            print("The lab is down.")


main(sys.argv[1:])
