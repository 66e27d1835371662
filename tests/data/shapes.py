"""A machine with everything that lenses reach, and for each lens a value with where libvirt has it then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

UUID: Final = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
TPM: Final = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
VSOCK: Final = "<vsock model='virtio'><cid auto='yes'/></vsock>"
PORTS: Final = "<controller type='pci' model='pcie-root'/>" + 24 * "<controller type='pci' model='pcie-root-port'/>"
MACHINE: Final = f"""\
<domain type='qemu'>
  <name>shaped</name>
  <uuid>{UUID}</uuid>
  <memory unit='MiB'>64</memory>
  <currentMemory unit='MiB'>64</currentMemory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='POOL' volume='first'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='POOL' volume='second'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <target dev='sda' bus='sata'/>
      <readonly/>
    </disk>
    <controller type='usb' model='qemu-xhci'/>
    <controller type='scsi' model='virtio-scsi'/>
    {PORTS}
    <interface type='network'>
      <mac address='52:54:00:5e:ed:01'/>
      <source network='default'/>
      <model type='virtio'/>
    </interface>
    <channel type='qemu-vdagent'>
      <source><clipboard copypaste='yes'/></source>
      <target type='virtio' name='com.redhat.spice.0'/>
    </channel>
    <graphics type='vnc'><listen type='none'/></graphics>
    <sound model='ich9'/>
    <video><model type='vga'/></video>
    <watchdog model='i6300esb' action='reset'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    {TPM}
    <panic model='isa'/>
    {VSOCK}
    <memballoon model='virtio'/>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class Trial:
    """path: where libvirt's document has the value; said: the text or attribute there. becomes: how the part is called
    then. first: what it needs before, as (lens, value)."""

    part: str
    lens: str
    value: str | int | bool
    path: str
    said: str
    becomes: str = ""
    first: tuple[str, int | str] | None = None


VDA: Final = "devices/disk[target/@dev='vda']"
CARD: Final = "devices/interface[mac/@address='52:54:00:5e:ed:01']"
OS_THERE: Final = "metadata/*[local-name()='libosinfo']/*[local-name()='os']/@id"
TRIALS: Final = (
    Trial("overview", "title", "Shop & blog", "title", "Shop & blog"),
    Trial("overview", "description", "one\ntwo", "description", "one\ntwo"),
    Trial("overview", "os", "http://debian.org/debian/13", OS_THERE, "http://debian.org/debian/13"),
    Trial("overview", "firmware", "efi", "os/@firmware", "efi"),
    Trial("overview", "machine", "pc-q35-6.2", "os/type/@machine", "pc-q35-6.2"),
    Trial("overview", "on_reboot", "destroy", "on_reboot", "destroy"),
    Trial("overview", "on_reboot", "restart", "on_reboot", "restart"),
    Trial("overview", "on_poweroff", "restart", "on_poweroff", "restart"),
    Trial("overview", "on_crash", "preserve", "on_crash", "preserve"),
    Trial("cpu", "cpus_max", 4, "vcpu", "4"),
    Trial("cpu", "cpus", 3, "vcpu/@current", "3", first=("cpus_max", 4)),
    Trial("cpu", "topology", "1x4x1", "cpu/topology/@cores", "4", first=("cpus_max", 4)),
    Trial("cpu", "cpu_mode", "pentium3", "cpu[@mode='custom']/model", "pentium3"),
    Trial("cpu", "cpu_mode", "host-model", "cpu/@mode", "host-model"),
    Trial("cpu", "cpu_shares", 512, "cputune/shares", "512"),
    Trial("cpu", "cpuset", "0-1", "vcpu/@cpuset", "0-1"),
    Trial("memory", "hugepages", True, "name(memoryBacking/hugepages)", "hugepages"),
    Trial("memory", "locked", True, "name(memoryBacking/locked)", "locked"),
    Trial("memory", "memory_limit", 1048576, "memtune/hard_limit", "1048576"),
    Trial("memory", "shared", True, "memoryBacking[source/@type='memfd']/access/@mode", "shared"),
    Trial("memory", "memory_max", 131072, "memory", "131072"),
    Trial("memory", "memory", 98304, "currentMemory", "98304", first=("memory_max", 131072)),
    Trial("boot", "boot_menu", "yes", "os/bootmenu/@enable", "yes"),
    Trial("boot", "boot_timeout", 3000, "os/bootmenu/@timeout", "3000"),
    Trial("boot", "boot_order", "net0 vda", f"{CARD}/boot/@order", "1"),
    Trial("vda", "cache", "none", f"{VDA}/driver/@cache", "none"),
    Trial("vda", "discard", "unmap", f"{VDA}/driver/@discard", "unmap"),
    Trial("vda", "detect_zeroes", "unmap", f"{VDA}/driver/@detect_zeroes", "unmap"),
    Trial("vda", "io", "threads", f"{VDA}/driver/@io", "threads"),
    Trial("vda", "readonly", True, f"name({VDA}/readonly)", "readonly"),
    Trial("vda", "serial", "S-1.2_3", f"{VDA}/serial", "S-1.2_3"),
    Trial("vda", "bytes_sec", 1048576, f"{VDA}/iotune/total_bytes_sec", "1048576"),
    Trial("vda", "iops_sec", 500, f"{VDA}/iotune/total_iops_sec", "500"),
    Trial("vdb", "bus", "scsi", "devices/disk[target/@dev='sdb']/target/@bus", "scsi", becomes="sdb"),
    Trial("sda", "medium", "", "devices/disk[target/@dev='sda']/@type", "file"),
    Trial("net0", "network", "other", f"{CARD}/source/@network", "other"),
    Trial("net0", "model", "e1000e", f"{CARD}/model/@type", "e1000e"),
    Trial("net0", "link", "down", f"{CARD}/link/@state", "down"),
    Trial("net0", "inbound", 100, f"{CARD}/bandwidth/inbound/@average", "100"),
    Trial("net0", "outbound", 200, f"{CARD}/bandwidth/outbound/@average", "200"),
    Trial("graphics0", "listens", "loopback", "devices/graphics/listen/@address", "127.0.0.1"),
    Trial("graphics0", "keymap", "de", "devices/graphics/@keymap", "de"),
    Trial("graphics0", "password", "hunter 2", "devices/graphics/@passwd", "hunter 2"),
    Trial("video0", "model", "virtio", "devices/video/model/@type", "virtio"),
    Trial(
        "video0",
        "three_d",
        True,
        "devices[graphics/@type='egl-headless']/video/model[@type='virtio']/acceleration/@accel3d",
        "yes",
        first=("model", "virtio"),
    ),
    Trial("sound0", "model", "ac97", "devices/sound/@model", "ac97"),
    Trial("channel0", "clipboard", "no", "devices/channel/source/clipboard/@copypaste", "no"),
    Trial("tpm0", "model", "tpm-tis", "devices/tpm/@model", "tpm-tis"),
    Trial("tpm0", "version", "1.2", "devices/tpm/backend/@version", "1.2"),
    Trial("rng0", "bytes", 4096, "devices/rng/rate/@bytes", "4096"),
    Trial("watchdog0", "action", "poweroff", "devices/watchdog/@action", "poweroff"),
    Trial("watchdog0", "model", "ib700", "devices/watchdog/@model", "ib700"),
    Trial("panic0", "model", "hyperv", "devices/panic/@model", "hyperv"),
    Trial("balloon0", "period", 5, "devices/memballoon/stats/@period", "5"),
    Trial("balloon0", "autodeflate", "on", "devices/memballoon/@autodeflate", "on"),
    Trial("balloon0", "reporting", "on", "devices/memballoon/@freePageReporting", "on"),
    Trial("balloon0", "model", "none", "devices/memballoon/@model", "none"),
    Trial("vsock0", "cid", 77, "devices/vsock/cid[@auto='no']/@address", "77"),
    Trial("usb0", "model", "nec-xhci", "devices/controller[@type='usb']/@model", "nec-xhci"),
    Trial("scsi0", "model", "lsilogic", "devices/controller[@type='scsi']/@model", "lsilogic"),
)
