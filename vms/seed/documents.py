"""The files of a seed. YAML is written by its library, so that no answer says more than its field."""

from __future__ import annotations

from typing import Any, Final

import yaml

from vms.seed.answers import Address, Answers

HEAD: Final = "#cloud-config\n"
# cloud-init makes what else is a machine's own anew, such as the keys of its sshd.
NEW_MACHINE_ID: Final = "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup"
# Any route, as cloud-init of every age writes it.
EVERYWHERE: Final = {4: "0.0.0.0/0", 6: "::/0"}


def documents(answers: Answers) -> dict[str, str]:
    """The files by name: meta-data and user-data always, network-config where cards have fixed addresses.

    A user-data of somebody's own stands beside our answers, which then are vendor-data: of what both set cloud-init
    takes his (https://docs.cloud-init.io/en/latest/explanation/vendordata.html).
    """
    ours = HEAD + dump(cloud_config(answers))
    files = {
        "meta-data": dump({"instance-id": answers.instance, "local-hostname": answers.hostname}),
        "user-data": answers.user_data or ours,
    }
    if answers.user_data:
        files["vendor-data"] = ours
    if answers.network or answers.addresses:
        files["network-config"] = answers.network or dump(network_config(answers.addresses))
    return files


def cloud_config(answers: Answers) -> dict[str, Any]:
    """Our answers as cloud-init's own keys; what is not answered is not in it."""
    # So that the guest finds its own name, without which sudo complains each time.
    told: dict[str, Any] = {"hostname": answers.hostname, "manage_etc_hosts": "localhost"}
    if answers.again:
        told["bootcmd"] = [["cloud-init-per", "instance", "machine-id", "sh", "-c", NEW_MACHINE_ID]]
    person: dict[str, Any] = {"name": answers.user} if answers.user else {}
    if answers.password:
        person |= {"lock_passwd": False, "hashed_passwd": answers.password}
        told |= {"ssh_pwauth": True, "chpasswd": {"expire": False}}
    keys = list(answers.keys)
    if answers.user == "root":
        # The images' default user cannot be root: it is told beside it, and let in.
        told |= {"disable_root": False, "users": [person | {"ssh_authorized_keys": keys}]}
    else:
        if person:
            told["user"] = person
        if keys:
            told["ssh_authorized_keys"] = keys
    if answers.packages:
        told |= {"package_update": True, "packages": list(answers.packages)}
    if answers.commands:
        told["runcmd"] = list(answers.commands)
    return told


def network_config(addresses: tuple[Address, ...]) -> dict[str, Any]:
    """Version 2 (https://docs.cloud-init.io/en/latest/reference/network-config-format-v2.html): each card is found by
    its MAC, because nobody knows how a guest calls it."""
    return {"version": 2, "ethernets": {f"card{number}": card(each) for number, each in enumerate(addresses)}}


def card(told: Address) -> dict[str, Any]:
    found: dict[str, Any] = {"match": {"macaddress": told.mac}, "addresses": [told.address]}
    if told.gateway:
        found["routes"] = [{"to": EVERYWHERE[6 if ":" in told.gateway else 4], "via": told.gateway}]
    if told.resolvers or told.search:
        found["nameservers"] = {
            key: list(names) for key, names in (("addresses", told.resolvers), ("search", told.search)) if names
        }
    return found


def dump(told: dict[str, Any]) -> str:
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, default_flow_style=False)
