"""A host's network interfaces, as libvirt's own test driver keeps them."""

from __future__ import annotations

from vms.virt import Connection, LinkInfo

INTERFACES = (
    """<interface type='bridge' name='br0'><start mode='onboot'/>
    <protocol family='ipv4'><ip address='192.0.2.7' prefix='24'/></protocol>
    <protocol family='ipv6'><ip address='2001:db8::7'/></protocol>
    <bridge><interface type='ethernet' name='eth7'/><interface type='ethernet' name='vnet0'/></bridge></interface>""",
    """<interface type='bond' name='bond0'><start mode='none'/><bond mode='active-backup'><miimon freq='100'/>
    <interface type='ethernet' name='eth9'/><interface type='ethernet' name='eth8'/></bond></interface>""",
    """<interface type='vlan' name='eth9.5'><start mode='none'/><vlan tag='5'><interface name='eth9'/></vlan>
    </interface>""",
    """<interface type='ethernet' name='eth9'><start mode='none'/><link state='up' speed='10000'/>
    <mac address='52:54:00:00:00:0A'/></interface>""",
    "<interface type='bridge' name='virbr7'><start mode='none'/><bridge/></interface>",
)


def test_what_they_are_made_of_is_read(connection: Connection) -> None:
    for document in INTERFACES:
        connection.handle.interfaceDefineXML(document)
    connection.handle.interfaceLookupByName("br0").create()
    told = {link.name: link for link in connection.info().links}
    assert "virbr7" not in told and "lo" not in told
    assert told["br0"] == LinkInfo(
        "br0", "bridge", state="up", parts=("eth7",), addresses=("192.0.2.7/24", "2001:db8::7")
    )
    assert told["bond0"] == LinkInfo("bond0", "bond", state="down", parts=("eth8", "eth9"))
    assert told["eth9.5"] == LinkInfo("eth9.5", "vlan", state="down", parts=("eth9",))
    assert told["eth9"] == LinkInfo("eth9", "ethernet", "52:54:00:00:00:0a", "up", 10000)
