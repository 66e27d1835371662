"""Definitions to be changed, as libvirt and its schema take them, for the types that have no form."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final[dict[str, str]] = {
    "iscsi": """\
<pool type="iscsi">
  <name>san</name>
  <source>
    <host name="san.example"/>
    <device path="iqn.2026-01.example:vms"/>
  </source>
  <target>
    <path>/dev/disk/by-path</path>
  </target>
</pool>""",
    "scsi": """\
<pool type="scsi">
  <name>fibre</name>
  <source>
    <adapter type="scsi_host" name="scsi_host5"/>
  </source>
  <target>
    <path>/dev/disk/by-path</path>
  </target>
</pool>""",
    "mpath": """\
<pool type="mpath">
  <name>multipath</name>
  <target>
    <path>/dev/mapper</path>
  </target>
</pool>""",
    "gluster": """\
<pool type="gluster">
  <name>gluster</name>
  <source>
    <host name="gluster.example"/>
    <dir path="/"/>
    <name>vms</name>
  </source>
</pool>""",
    "zfs": """\
<pool type="zfs">
  <name>tank</name>
  <source>
    <name>tank/vms</name>
  </source>
</pool>""",
    "vstorage": """\
<pool type="vstorage">
  <name>virtuozzo</name>
  <source>
    <name>cluster</name>
  </source>
  <target>
    <path>/srv/vstorage</path>
  </target>
</pool>""",
}
