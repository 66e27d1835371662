"""The allow-list: what an actor may change in a definition, and the privilege for each. A node without a line needs
vm.define, which equals root on the host, and so does a value that its line does not take.

Places are below <domain>; vms.libvirtxml.difference.lines says how a line is read.
"""

from __future__ import annotations

from typing import Final

from vms.libvirtxml.difference.canonical import Way
from vms.libvirtxml.difference.lines import Line


def lines(privilege: str, text: str) -> tuple[Line, ...]:
    """The lines of a text; what stands behind two spaces and # is the reason."""
    return tuple(Line.parse(privilege, line.partition("  #")[0].strip()) for line in text.strip().splitlines())


ALLOWED: Final = (
    *lines("vm.label", """
        name = *
    """),
    *lines("vm.describe", """
        title = *
        description = *
        metadata  # what else is kept there, such as what a host's hooks read, has no line
        metadata/libosinfo:libosinfo
        metadata/libosinfo:libosinfo/libosinfo:os
        metadata/libosinfo:libosinfo/libosinfo:os/@id = SYSTEM  # the name of a system, which nobody acts by
    """),
    *lines("vm.cpu_memory", """
        memory = #
        currentMemory = #
        maxMemory = #
        maxMemory/@slots = #
        devices/memory[@model=dimm]  # nvdimm and virtio-pmem are files of the host
        devices/memory/@model = dimm
        devices/memory[@model=dimm]/target
        devices/memory[@model=dimm]/target/size = #
        devices/memory[@model=dimm]/target/node = #
        vcpu = #
        vcpu/@current = #
        vcpu/@placement = static
        vcpus
        vcpus/**
        cpu
        cpu/@mode = custom|host-model|host-passthrough|maximum
        cpu/@match = minimum|exact|strict
        cpu/@check = none|partial|full
        cpu/@migratable = on|off
        cpu/model = ~
        cpu/model/@fallback = allow|forbid
        cpu/model/@vendor_id = *
        cpu/vendor = ~
        cpu/topology
        cpu/topology/@sockets = #
        cpu/topology/@dies = #
        cpu/topology/@cores = #
        cpu/topology/@threads = #
        cpu/feature
        cpu/feature/@name = ~
        cpu/feature/@policy = force|require|optional|disable|forbid
        cpu/cache
        cpu/cache/@mode = emulate|passthrough|disable
        cpu/cache/@level = #
        cpu/numa
        cpu/numa/cell  # its memory may be shared with other processes (@memAccess): no line
        cpu/numa/cell/@id = #
        cpu/numa/cell/@cpus = *
        cpu/numa/cell/@memory = #
        cpu/numa/cell/@unit = ~
    """),
    *lines("vm.boot", """
        os
        os/@firmware = bios|efi  # the host chooses the files; <loader> and <nvram> name them
        - os/loader  # then the host chooses
        - os/nvram
        os/firmware
        os/firmware/feature
        os/firmware/feature/@name = enrolled-keys|secure-boot
        os/firmware/feature/@enabled = yes|no
        os/type = hvm
        os/type/@arch = ~
        os/type/@machine = ~
        os/boot
        os/boot/@dev = hd|cdrom|network|fd
        os/bootmenu
        os/bootmenu/@enable = yes|no
        os/bootmenu/@timeout = #
        devices/*/boot
        devices/*/boot/@order = #
    """),
    *lines("vm.media", """
        - devices/disk[@device=cdrom|floppy]/source  # what comes in is an offered image, see below
        - devices/disk[@device=cdrom|floppy]/backingStore
        > devices/disk[@device=cdrom|floppy]/@type = file|volume  # what is in the drive is in its source
    """),
    # A source, a network and what can be reached through them are resources of the host. Until there are rows of them
    # to offer, naming one is for who may define; a volume or a network gets a line with its rows.
    *lines("vm.disk", """
        devices/disk
        - devices/disk
        devices/disk/@device = disk|cdrom|floppy  # lun passes the guest's commands through
        devices/disk/@type = file|block|volume
        devices/disk/driver
        devices/disk/driver/@name = qemu
        + devices/disk/driver/@type = raw  # another format would be looked for in what the guest wrote
        devices/disk/driver/@cache = default|none|writethrough|writeback|directsync|unsafe
        devices/disk/driver/@io = threads|native|io_uring
        devices/disk/driver/@discard = ignore|unmap
        devices/disk/driver/@detect_zeroes = off|on|unmap
        devices/disk/target
        devices/disk/target/@dev = ~
        devices/disk/target/@bus = virtio|scsi|sata|ide|usb|fdc
        devices/disk/target/@tray = open|closed
        devices/disk/target/@removable = on|off
        devices/disk/target/@rotation_rate = #
        devices/disk/serial = *
        + devices/disk/readonly  # what was given read-only, such as a shared base, stays so
    """),
    *lines("vm.nic", """
        devices/interface[@type=network]  # others reach the host's own links, sockets or loopback
        - devices/interface
        devices/interface/@type = network
        devices/interface/model
        devices/interface/model/@type = ~
        devices/interface/link
        devices/interface/link/@state = up|down
    """),  # its MAC is the range's to give, its filter the network's
    *lines("vm.tune", """
        vcpu/@placement = auto
        vcpu/@cpuset = *
        cputune
        cputune/**
        numatune
        numatune/**
        iothreads = #
        iothreadids
        iothreadids/**
        memtune
        memtune/**
        blkiotune
        blkiotune/weight = #  # for one device it is a path on the host
        memoryBacking
        memoryBacking/hugepages
        memoryBacking/hugepages/**
        memoryBacking/nosharepages
        memoryBacking/locked
        devices/disk/iotune  # no ceilings yet that the owner could stay below
        devices/disk/iotune/**
        devices/disk/driver/@iothread = #
        devices/interface/bandwidth
        devices/interface/bandwidth/**
    """),
    *lines("vm.device", """
        @type = qemu|kvm
        on_poweroff = destroy|restart|preserve
        on_reboot = destroy|restart|preserve
        on_crash = destroy|restart|preserve  # a dump fills the host's disk
        pm
        pm/suspend-to-mem
        pm/suspend-to-mem/@enabled = yes|no
        pm/suspend-to-disk
        pm/suspend-to-disk/@enabled = yes|no
        clock
        clock/**
        features
        features/acpi
        features/apic
        features/apic/@eoi = on|off
        features/pae
        features/pmu
        features/pmu/@state = on|off
        features/smm
        features/smm/@state = on|off
        features/vmport
        features/vmport/@state = on|off
        features/hyperv
        features/hyperv/**
        features/kvm
        features/kvm/**
        devices
        devices/*/alias
        devices/*/alias/@name = *
        devices/*/address[@type=pci|drive|virtio-serial|ccid|usb|isa|dimm|spapr-vio|virtio-mmio|ccw]  # in the guest
        devices/*/address/@type = *
        devices/*/address/@domain = *
        devices/*/address/@bus = *
        devices/*/address/@slot = *
        devices/*/address/@function = *
        devices/*/address/@multifunction = on|off
        devices/*/address/@controller = #
        devices/*/address/@target = #
        devices/*/address/@unit = #
        devices/*/address/@port = *
        devices/*/address/@base = *
        devices/*/address/@cssid = *
        devices/*/address/@ssid = *
        devices/*/address/@devno = *
        devices/*/address/@reg = *
        devices/*/address/@iobase = *
        devices/*/address/@irq = *
        devices/*/address/zpci
        devices/*/address/zpci/@uid = *
        devices/*/address/zpci/@fid = *
        devices/controller
        devices/controller/@type = pci|usb|scsi|virtio-serial|sata|ide|fdc|ccid
        devices/controller/@index = #
        devices/controller/@model = ~
        devices/controller/@ports = #
        devices/controller/@vectors = #
        devices/controller/master
        devices/controller/master/@startport = #
        devices/controller/model
        devices/controller/model/@name = ~
        devices/controller/target
        devices/controller/target/@chassis = #
        devices/controller/target/@chassisNr = #
        devices/controller/target/@port = *
        devices/controller/target/@busNr = #
        devices/controller/target/@index = #
        devices/controller/target/@hotplug = on|off
        devices/hub
        devices/hub/@type = usb
        devices/input[@type=tablet|mouse|keyboard]  # the others read a device of the host
        devices/input/@type = tablet|mouse|keyboard
        devices/input/@bus = usb|ps2|virtio
        devices/input/@model = virtio|virtio-transitional|virtio-non-transitional
        devices/sound
        devices/sound/@model = ~
        devices/sound/codec
        devices/sound/codec/@type = ~
        devices/audio[@type=none|spice]  # the others are sockets, devices and files of the host
        devices/audio/@type = none|spice
        devices/audio/@id = #
        devices/video
        devices/video/model
        devices/video/model/@type = virtio|vga|qxl|bochs|cirrus|none
        devices/video/model/@vram = #
        devices/video/model/@vram64 = #
        devices/video/model/@ram = #
        devices/video/model/@vgamem = #
        devices/video/model/@heads = #
        devices/video/model/@primary = yes|no
        devices/video/model/resolution
        devices/video/model/resolution/@x = #
        devices/video/model/resolution/@y = #
        devices/graphics[@type=vnc|spice]
        - devices/graphics
        devices/graphics/@type = vnc|spice
        devices/graphics/@keymap = ~
        devices/graphics/@sharePolicy = allow-exclusive|force-shared|ignore
        devices/graphics/@connected = fail|disconnect|keep
        devices/graphics[@passwd]/@passwd = *  # one that goes opens the screen
        devices/graphics[@passwd]/@passwdValidTo = *
        - devices/graphics/listen  # another comes in its place, see canonical.graphics
        devices/graphics/listen[@type=none|socket]
        devices/graphics/listen[@type=none|socket]/@type = none|socket
        devices/graphics[@passwd]/listen[@type=address][@address=127.0.0.1|::1]  # asks for a password
        devices/graphics[@passwd]/listen[@type=address][@address=127.0.0.1|::1]/@type = address
        devices/graphics[@passwd]/listen[@type=address]/@address = 127.0.0.1|::1
        devices/serial[@type=pty]  # the others write to files, sockets and devices of the host, and so does <log>
        devices/serial/@type = pty
        devices/serial/target
        devices/serial/target/@type = ~
        devices/serial/target/@port = #
        devices/serial/target/model
        devices/serial/target/model/@name = ~
        devices/console[@type=pty]
        devices/console/@type = pty
        devices/console/target
        devices/console/target/@type = ~
        devices/console/target/@port = #
        devices/channel[@type=unix|spicevmc|qemu-vdagent]  # without a path: libvirt chooses it
        devices/channel/@type = unix|spicevmc|qemu-vdagent
        devices/channel/target
        devices/channel/target/@type = virtio
        devices/channel[@type=unix]/target/@name = org.qemu.guest_agent.0
        devices/channel[@type=spicevmc|qemu-vdagent]/target/@name = com.redhat.spice.0|org.spice-space.webdav.0
        devices/channel[@type=qemu-vdagent]/source
        devices/channel[@type=qemu-vdagent]/source/clipboard
        devices/channel[@type=qemu-vdagent]/source/clipboard/@copypaste = yes|no
        devices/channel[@type=qemu-vdagent]/source/mouse
        devices/channel[@type=qemu-vdagent]/source/mouse/@mode = client|server
        devices/redirdev[@type=spicevmc]
        devices/redirdev/@bus = usb
        devices/redirdev/@type = spicevmc
        devices/memballoon
        devices/memballoon/@model = virtio|virtio-transitional|virtio-non-transitional|none
        devices/memballoon/@autodeflate = on|off
        devices/memballoon/@freePageReporting = on|off
        devices/memballoon/stats
        devices/memballoon/stats/@period = #
        devices/rng
        devices/rng/@model = virtio|virtio-transitional|virtio-non-transitional
        devices/rng/rate
        devices/rng/rate/@bytes = #
        devices/rng/rate/@period = #
        devices/rng/backend[@model=random] = /dev/urandom
        devices/rng/backend/@model = random
        devices/tpm
        devices/tpm/@model = ~
        devices/tpm/backend[@type=emulator]  # the others are devices, sockets and files of the host
        devices/tpm/backend/@type = emulator
        devices/tpm/backend/@version = 1.2|2.0
        devices/vsock
        devices/vsock/@model = virtio|virtio-transitional|virtio-non-transitional
        devices/vsock/cid
        devices/vsock/cid/@auto = yes  # a number of one's own may be another VM's
        devices/watchdog
        devices/watchdog/@model = ~
        devices/watchdog/@action = reset|shutdown|poweroff|pause|none|inject-nmi  # not dump
        devices/panic
        devices/panic/@model = ~
        devices/iommu
        devices/iommu/@model = intel|smmuv3|virtio
        devices/iommu/driver
        devices/iommu/driver/@intremap = on|off
        devices/iommu/driver/@caching_mode = on|off
        devices/iommu/driver/@eim = on|off
        devices/iommu/driver/@iotlb = on|off
        devices/iommu/driver/@aw_bits = #
    """),
)  # fmt: skip

# What libvirt writes by itself into its answer, besides what needs no vm.define anyway. A path is one of its own.
FILLED_IN: Final = lines("", """
    + uuid = *
    + genid = *
    + devices/emulator = QEMU
    + os/loader = FIRMWARE
    + os/loader/@readonly = yes
    + os/loader/@secure = yes|no
    + os/loader/@type = pflash|rom
    + os/loader/@format = raw|qcow2
    + os/nvram = NVRAM
    + os/nvram/@template = FIRMWARE
    + os/nvram/@templateFormat = raw|qcow2
    + os/nvram/@format = raw|qcow2
    + devices/interface/mac
    + devices/interface/mac/@address = *
    + devices/rng/backend[@model=random] = /dev/random
""")  # fmt: skip

# Of these there may be several; a second of anything else needs vm.define.
MANY: Final[frozenset[Way]] = frozenset(
    {
        ("os", "boot"), ("os", "firmware", "feature"), ("cpu", "feature"), ("cpu", "cache"), ("cpu", "numa", "cell"),
        ("devices", "graphics", "listen"),
        *(("devices", name) for name in (
            "audio", "channel", "console", "controller", "disk", "graphics", "hub", "input", "interface", "memory",
            "panic", "redirdev", "rng", "serial", "sound", "video", "watchdog",
        )),
    }
)  # fmt: skip

# The order in which these stand means nothing: libvirt tells them by name or number, or sorts them itself.
UNORDERED: Final[frozenset[Way]] = frozenset(
    {
        ("cpu", "feature"),
        ("cpu", "cache"),
        ("os", "firmware", "feature"),
        ("devices", "disk"),
        ("devices", "controller"),
    }
)
