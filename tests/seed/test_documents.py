from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pycdlib
import pytest
import yaml
from passlib.hash import sha512_crypt

from vms.seed import Address, Answers, documents, hashed, make_disc

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2Bq3gC9mHqWc0xT1cVqg1Yx7m1tqVt4mF8cZt2Tq0B"


def answers(**more: Any) -> Answers:
    return Answers(instance="5a", hostname="web-1", **more)


def config(told: str) -> dict[str, Any]:
    """What cloud-init reads of it."""
    assert told.startswith("#cloud-config\n")
    found = yaml.safe_load(told)
    assert isinstance(found, dict)
    return found


def test_nothing_but_the_name_is_said_where_nothing_is_answered() -> None:
    files = documents(answers())
    assert set(files) == {"meta-data", "user-data"}
    assert yaml.safe_load(files["meta-data"]) == {"instance-id": "5a", "local-hostname": "web-1"}
    assert config(files["user-data"]) == {"hostname": "web-1", "manage_etc_hosts": "localhost"}


def test_the_images_own_user_is_renamed_let_in_and_keeps_its_groups() -> None:
    told = config(documents(answers(user="anna", keys=(KEY,), password="$6$salt$hash"))["user-data"])
    assert told["user"] == {"name": "anna", "lock_passwd": False, "hashed_passwd": "$6$salt$hash"}
    assert told["ssh_authorized_keys"] == [KEY]
    assert told["ssh_pwauth"] is True
    assert "users" not in told


def test_without_a_password_nobody_is_asked_for_one() -> None:
    told = config(documents(answers(user="anna", keys=(KEY,)))["user-data"])
    assert told["user"] == {"name": "anna"}
    assert "ssh_pwauth" not in told


def test_root_is_told_beside_the_images_user() -> None:
    told = config(documents(answers(user="root", keys=(KEY,)))["user-data"])
    assert told["disable_root"] is False
    assert told["users"] == [{"name": "root", "ssh_authorized_keys": [KEY]}]
    assert "user" not in told


def test_a_disk_of_another_machine_gets_an_id_of_its_own() -> None:
    assert "bootcmd" not in config(documents(answers())["user-data"])
    [[*words]] = config(documents(answers(new_machine=True))["user-data"])["bootcmd"]
    assert words[:3] == ["cloud-init-per", "instance", "machine-id"] and "systemd-machine-id-setup" in words[-1]
    files = documents(answers(new_machine=True, user_data="#!/bin/sh\n"))
    assert "bootcmd" in config(files["vendor-data"]) and files["user-data"] == "#!/bin/sh\n"
    assert subprocess.run(["sh", "-n", "-c", words[-1]], check=False).returncode == 0


def test_packages_and_commands() -> None:
    told = config(documents(answers(packages=("nginx",), commands=("echo 'a: b'",)))["user-data"])
    assert told["package_update"] is True
    assert told["packages"] == ["nginx"]
    assert told["runcmd"] == ["echo 'a: b'"]


@pytest.mark.parametrize(
    "strange", ["a: b\nusers: [x]", "'\"\n---\n", "#", "!!python/object:x {}", "&a [*a]", "\u2028", "yes"]
)
def test_an_answer_never_says_more_than_its_field(strange: str) -> None:
    told = config(documents(answers(commands=(strange,), packages=(strange,)))["user-data"])
    assert told["runcmd"] == [strange]
    assert told["packages"] == [strange]
    assert set(told) == {"hostname", "manage_etc_hosts", "package_update", "packages", "runcmd"}


def test_what_somebody_wrote_has_the_last_word_beside_the_answers() -> None:
    files = documents(answers(user="anna", user_data="#cloud-config\ntimezone: UTC\n"))
    assert files["user-data"] == "#cloud-config\ntimezone: UTC\n"
    assert config(files["vendor-data"])["user"] == {"name": "anna"}


def test_cards_are_found_by_their_mac() -> None:
    four = Address("52:54:00:00:00:01", "192.0.2.10/24", "192.0.2.1", ("192.0.2.53",), ("example.org",))
    six = Address("52:54:00:00:00:02", "2001:db8::10/64", "2001:db8::1")
    told = yaml.safe_load(documents(answers(addresses=(four, six)))["network-config"])
    assert told["version"] == 2
    assert list(told["ethernets"].values()) == [
        {
            "match": {"macaddress": "52:54:00:00:00:01"},
            "addresses": ["192.0.2.10/24"],
            "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}],
            "nameservers": {"addresses": ["192.0.2.53"], "search": ["example.org"]},
        },
        {
            "match": {"macaddress": "52:54:00:00:00:02"},
            "addresses": ["2001:db8::10/64"],
            "routes": [{"to": "::/0", "via": "2001:db8::1"}],
        },
    ]


def test_a_network_of_somebodys_own_stands_in_place_of_the_answers() -> None:
    files = documents(answers(network="version: 1\n", addresses=(Address("52:54:00:00:00:01", "192.0.2.10/24"),)))
    assert files["network-config"] == "version: 1\n"


def test_secrets_are_in_no_text_of_the_answers() -> None:
    told = repr(answers(password="pass-word", commands=("command",), user_data="user-data", network="its-network"))
    assert not any(word in told for word in ("pass-word", "command=", "user-data", "its-network"))


def test_a_disc_with_its_label_and_its_files_by_both_names(tmp_path: Path) -> None:
    files = documents(answers(user_data="#!/bin/sh\n:\n", network="version: 1\n"))
    image = tmp_path / "seed.iso"
    image.write_bytes(make_disc(files))
    label = subprocess.run(
        ["blkid", "-p", "-o", "value", "-s", "LABEL", image], capture_output=True, text=True, check=True
    )
    assert label.stdout == "cidata\n"
    disc = pycdlib.PyCdlib()
    disc.open(str(image))
    for name, text in files.items():
        for way in ("rr_path", "joliet_path"):
            read = BytesIO()
            disc.get_file_from_iso_fp(read, **{way: f"/{name}"})
            assert read.getvalue() == text.encode()
    disc.close()


def test_passwords_are_hashed_each_with_its_own_salt() -> None:
    one, other = hashed("secret word"), hashed("secret word")
    assert one != other
    assert one.startswith("$6$")
    assert sha512_crypt.verify("secret word", one)
    assert not sha512_crypt.verify("secret", one)
    with pytest.raises(ValueError, match="NUL"):
        hashed("a\0b")


def test_who_has_booted_before_becomes_another_machine() -> None:
    told = config(documents(answers(user="anna", new_machine=True))["user-data"])
    [command] = told["bootcmd"]
    assert command[:3] == ["cloud-init-per", "instance", "machine-id"] and "systemd-machine-id-setup" in command[-1]
    assert "bootcmd" not in config(documents(answers(user="anna"))["user-data"])
    # Beside somebody's own user data too.
    own = documents(answers(new_machine=True, user_data="#cloud-config\npackages: [vim]\n"))
    assert "bootcmd" in config(own["vendor-data"])
