"""A pool of every type as its document, and what a document says."""

from __future__ import annotations

from pathlib import Path

import pytest

from vms.libvirtxml import (
    EXAMPLES,
    BadPool,
    canonical,
    faults,
    is_closed,
    made_pool,
    names_secret,
    pool_sources,
    public_pool,
    read_spec,
    secret_document,
    secret_name,
    source_document,
    spec_name,
    spec_type,
    used_sources,
)

GOLDEN = Path(__file__).parent / "golden"
SPECS = {
    "dir": {"path": "/srv/vms"},
    "fs": {"device": "/dev/sdb1", "path": "/srv/disk", "format": "ext4"},
    "netfs": {"server": "nas.example", "export": "/export/vms", "path": "/srv/nas"},
    "netfs-cifs": {"type": "netfs", "server": "nas", "export": "/vms", "path": "/srv/nas", "format": "cifs"},
    "disk": {"device": "/dev/sdb"},
    "logical": {"group": "vms"},
    "logical-new": {"type": "logical", "group": "vms", "device": "/dev/sdb"},
    "iscsi-direct": {
        "server": "san.example", "port": "3261", "target": "iqn.2026-01.example:vms",
        "initiator": "iqn.2026-01.example:host-a", "user": "kvm",
    },
    "iscsi-direct-open": {
        "type": "iscsi-direct", "server": "2001:db8::5", "target": "iqn.2026-01.example:vms",
        "initiator": "iqn.2026-01.example:host-a",
    },
    "rbd": {"monitors": "ceph-1:6789 ceph-2 [2001:db8::1]:6790", "pool": "vms", "user": "admin"},
}  # fmt: skip


def described(name: str) -> dict[str, str]:
    return {"type": name, "name": "fast", **SPECS[name]}


@pytest.mark.parametrize("name", SPECS)
def test_a_pool_of_each_type_is_as_it_was_written_down_and_valid(name: str) -> None:
    spec = read_spec(described(name))
    text = made_pool(spec)
    assert text == (GOLDEN / f"pool-{name}.xml").read_text().rstrip("\n")
    assert faults(text) == []
    assert (spec_name(spec), spec_type(spec)) == ("fast", described(name)["type"])


@pytest.mark.parametrize("type", EXAMPLES)
def test_the_examples_of_the_other_types_are_valid_and_taken(type: str) -> None:
    assert faults(EXAMPLES[type]) == []
    spec = read_spec({"type": "xml", "document": EXAMPLES[type]})
    assert (spec_type(spec), made_pool(spec)) == (type, EXAMPLES[type])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"type": "sheepdog"}, {"type": "choice"}),
        ({"name": ""}, {"name": "missing"}),
        ({"name": "../etc"}, {"name": "pool_name"}),
        ({"name": "-f"}, {"name": "pool_name"}),
        ({"name": "a" * 81}, {"name": "pool_name"}),
        ({"name": "a\n"}, {"name": "pool_name"}),
        ({"name": 3}, {"name": "text"}),
        ({"path": "srv"}, {"path": "path"}),
        ({"path": "/srv/../etc"}, {"path": "path"}),
        ({"path": "//srv"}, {"path": "path"}),
        ({"path": "/srv/\n"}, {"path": "path"}),
        ({"device": "/dev/sda"}, {"device": "unknown"}),
        ({"type": "fs", "device": "/etc/shadow"}, {"device": "device"}),
        ({"type": "fs", "device": "/dev/sda", "format": "zfs"}, {"format": "choice"}),
        ({"type": "netfs", "server": "-o evil", "export": "/x"}, {"server": "address"}),
        ({"type": "netfs", "server": "nas", "export": "x"}, {"export": "path"}),
    ],
)
def test_what_fits_no_type_is_told_field_by_field(change: dict[str, object], wrong: dict[str, str]) -> None:
    with pytest.raises(BadPool) as told:
        read_spec({**described("dir"), **change})
    assert told.value.faults == wrong


@pytest.mark.parametrize(
    ("name", "field", "value", "code"),
    [
        ("iscsi-direct", "target", "san", "iqn"),
        ("iscsi-direct", "port", "0", "port"),
        ("iscsi-direct", "port", "65536", "port"),
        ("iscsi-direct", "user", "a b", "account"),
        ("logical", "group", "-vg", "volume_group"),
        ("rbd", "monitors", " ", "monitors"),
        ("rbd", "monitors", "a:b", "monitors"),
        ("rbd", "monitors", "a,b", "monitors"),
        ("rbd", "pool", "a/b", "ceph_pool"),
    ],
)
def test_each_field_has_its_own_fault(name: str, field: str, value: str, code: str) -> None:
    with pytest.raises(BadPool) as told:
        read_spec({**described(name), field: value})
    assert told.value.faults == {field: code}


@pytest.mark.parametrize(
    "path",
    ["/", "/etc", "/etc/cron.d", "/root", "/root/.ssh", "/home/fred", "/dev/shm", "/proc", "/sys", "/run", "/var/run",
     "/boot", "/usr/lib", "/var/lib/libvirt/qemu", "/var/lib/libvirt/qemu/save", "/srv/kvmweb/state", "/var/spool",
     "/var", "/var/lib", "/var/lib/libvirt", "/srv"],
)  # fmt: skip
def test_a_folder_of_the_system_is_none_for_disks_unless_that_is_said_twice(path: str) -> None:
    own = ["/srv/kvmweb"]
    spec = {**described("dir"), "path": path}
    with pytest.raises(BadPool) as told:
        read_spec(spec, own=own)
    assert told.value.faults == {"path": "system_path"}
    with pytest.raises(BadPool):
        read_spec(spec, own=own, confirmed=f"{path}/x")
    assert spec_name(read_spec(spec, own=own, confirmed=path)) == "fast"
    written = made_pool(read_spec(spec, own=own, confirmed=path))
    with pytest.raises(BadPool) as told:
        read_spec({"type": "xml", "document": written}, own=own)
    # The schema knows no pool that is the root folder.
    assert told.value.faults == {"document": "schema" if path == "/" else "system_path"}


@pytest.mark.parametrize("path", ["/srv", "/var/lib/libvirt/images", "/var/lib/vms", "/etcetera", "/mnt/root"])
def test_other_folders_are(path: str) -> None:
    assert read_spec({**described("dir"), "path": path})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<pool", "xml"),
        ("<!DOCTYPE pool [<!ENTITY a 'b'>]><pool type='dir'><name>&a;</name></pool>", "xml"),
        ("<network><name>a</name></network>", "no_pool"),
        ("<pool type='dir'><name>a</name></pool>", "schema"),
        ("<pool type='dir'><name>a/b</name><target><path>/srv</path></target></pool>", "schema"),
        ("<pool type='dir'><name>a b</name><target><path>/srv</path></target></pool>", "pool_name"),
        ("<pool type='dir'><name>a</name><uuid>00000000-0000-0000-0000-000000000001</uuid>"
         "<target><path>/srv</path></target></pool>", "has_uuid"),
        ("<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>a</name>"
         "<source><host name='nas'/><dir path='/x'/></source><target><path>/srv</path></target>"
         "<fs:mount_opts><fs:option name='password=hunter2'/></fs:mount_opts></pool>", "foreign"),
    ],
)  # fmt: skip
def test_what_somebody_wrote_himself_is_judged(text: str, code: str) -> None:
    with pytest.raises(BadPool) as told:
        read_spec({"type": "xml", "document": text})
    assert told.value.faults == {"document": code}


def test_no_text_breaks_out_of_a_document() -> None:
    text = made_pool(read_spec({**described("dir"), "path": "/srv/</path><evil/>"}))
    assert "<evil/>" not in text


def test_the_public_form_keeps_options_and_not_what_they_are() -> None:
    text = (
        "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>a</name>"
        "<capacity>7</capacity><!-- hunter3 --><fs:mount_opts><fs:option name='password=hunter2'/>"
        "<fs:option name='nodev'/></fs:mount_opts></pool>"
    )
    shown = public_pool(text)
    assert "password=(secret)" in shown and "nodev" in shown
    assert "hunter" not in shown and "capacity" not in shown
    assert public_pool("<pool") == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dir", ("dir", "")),
        ("fs", ("fs", "")),
        ("disk", ("disk", "")),
        ("logical", ("logical", "")),
        ("netfs", ("netfs", "nfs://nas.example/export/vms")),
        ("netfs-cifs", ("netfs", "cifs://nas/vms")),
        ("iscsi-direct", ("iscsi", "iscsi://san.example:3261/iqn.2026-01.example:vms")),
        ("rbd", ("rbd", "rbd://2001:db8::1:6790,ceph-1,ceph-2/vms")),
    ],
)
def test_what_the_bytes_of_a_pool_are_is_written_in_one_way(name: str, told: tuple[str, str]) -> None:
    assert canonical(made_pool(read_spec(described(name)))) == told


@pytest.mark.parametrize(
    ("type", "source"),
    [
        ("iscsi", "iscsi://san.example/iqn.2026-01.example:vms"),
        ("gluster", "gluster://gluster.example/vms/"),
        ("vstorage", "vstorage://cluster"),
        ("zfs", ""),
        ("scsi", ""),
        ("mpath", ""),
    ],
)
def test_so_it_is_for_the_other_types(type: str, source: str) -> None:
    assert canonical(EXAMPLES[type]) == (type, source)
    assert canonical("<pool") == ("", "")


def test_a_pool_names_its_secret_by_what_it_is_for() -> None:
    text = made_pool(read_spec(described("rbd")))
    assert names_secret(text, "", secret_name("fast"))
    assert not names_secret(text, "", secret_name("slow")) and not names_secret(text, "", "")
    assert not names_secret(made_pool(read_spec(described("dir"))), "", secret_name("fast"))
    disk = "<domain><devices><disk><source><auth><secret uuid='1-2'/></auth></source></disk></devices></domain>"
    assert names_secret(disk, "1-2", "") and not names_secret(disk, "1-3", "other")
    assert not names_secret("<pool", "1-2", "a")


def test_what_a_domain_is_made_of_is_seen_down_to_the_last_layer() -> None:
    text = (
        "<domain><os><kernel>/boot/linux</kernel><nvram>/nvram/a</nvram></os><devices>"
        "<disk><source file='/srv/top'/><backingStore><source file='/srv/base'/></backingStore></disk>"
        "<disk><source pool='fast' volume='disk'/></disk><disk><source dev='/dev/vms/a'/></disk>"
        "<disk><source protocol='rbd' name='vms/image'/></disk><interface><source network='lan'/></interface>"
        "</devices></domain>"
    )
    assert used_sources(text) == {
        "/boot/linux", "/nvram/a", "/srv/top", "/srv/base", ("fast", "disk"), "/dev/vms/a", "vms/image",
    }  # fmt: skip
    assert used_sources("<domain") == set()


@pytest.mark.parametrize("usage", ["volume", "ceph", "iscsi", "tls", "vtpm"])
def test_the_document_of_a_secret_is_valid(usage: str) -> None:
    name = "/srv/disk" if usage == "volume" else "kvmweb pool fast"
    assert faults(secret_document(usage, name)) == []


def test_what_a_host_finds_is_in_the_fields_of_the_forms() -> None:
    assert pool_sources(
        "<sources><source><host name='nas'/><dir path='/export'/><format type='nfs'/></source>"
        "<source><host name='bad name'/><dir path='/x/../y'/></source>"
        "<source><device path='/dev/sdb1'/><name>vms</name><format type='lvm2'/></source>"
        "<source><host name='san'/><device path='iqn.2026-01.example:vms'/></source></sources>"
    ) == [
        {"server": "nas", "export": "/export"},
        {"device": "/dev/sdb1", "group": "vms"},
        {"server": "san", "target": "iqn.2026-01.example:vms"},
    ]
    assert pool_sources("") == pool_sources(None) == pool_sources("<sources") == []
    assert source_document("nas") == '<source><host name="nas"/></source>'
    assert source_document("san", "3261", "iqn.2026-01.example:host-a") == (
        '<source><host name="san" port="3261"/><initiator><iqn name="iqn.2026-01.example:host-a"/></initiator></source>'
    )


@pytest.mark.parametrize(
    ("permissions", "closed"),
    [
        ("<mode>0711</mode><owner>0</owner><group>0</group>", True),
        ("<mode>0755</mode><owner>0</owner><group>107</group>", True),
        ("<mode>0775</mode><owner>0</owner><group>0</group>", False),
        ("<mode>01777</mode><owner>0</owner><group>0</group>", False),
        ("<mode>0700</mode><owner>1000</owner><group>0</group>", False),
        ("<mode>rwx</mode><owner>0</owner>", False),
        ("<mode>0798</mode><owner>0</owner>", False),
        ("<owner>0</owner>", False),
        ("", False),
    ],
)
def test_a_folder_is_closed_where_only_root_writes_in_it(permissions: str, closed: bool) -> None:
    told = f"<permissions>{permissions}</permissions>" if permissions else ""
    assert is_closed(f"<pool type='dir'><target><path>/srv/vms</path>{told}</target></pool>") is closed
