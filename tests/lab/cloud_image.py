"""A Debian with cloud-init as its cloud images have it, made from the distribution's packages, for a BIOS."""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

SUITE: Final = "bookworm"
PACKAGES: Final = (
    "linux-image-cloud-amd64", "systemd-sysv", "cloud-init", "openssh-server", "sudo", "netplan.io", "udev",
    "cloud-guest-utils", "e2fsprogs", "iproute2", "fdisk", "qemu-guest-agent", "grub-pc-bin", "grub-common",
)  # fmt: skip
CONFIGURATION: Final = """\
set timeout=0
search --set=root --label cloudimg-rootfs
linux /vmlinuz root=LABEL=cloudimg-rootfs ro console=tty0 console=ttyS0,115200 net.ifnames=0
initrd /initrd.img
boot
"""
# As in Debian's own images, but for the sources that wait for a network's answer.
CLOUD: Final = """\
datasource_list: [NoCloud, None]
locale: C.UTF-8
"""
MIB: Final = 1 << 20
SECTOR: Final = 512
# Where GRUB's second part begins, and where the root's file system does, in MiB.
SECOND, ROOT, SIZE = 1, 2, 1600
MODULES: Final = ("biosdisk", "part_gpt", "ext2", "search", "search_label", "linux", "normal", "boot", "echo")


def cached_image(cache: Path) -> Path:
    """The image (qcow2, some 300 MiB; the disk of it 1.6 GiB), made where it is not there."""
    recipe = hashlib.sha256("\n".join((SUITE, *PACKAGES, CONFIGURATION, CLOUD, str(SIZE))).encode()).hexdigest()[:12]
    image = cache / f"cloud-{SUITE}-{recipe}.qcow2"
    if not image.exists():
        cache.mkdir(parents=True, exist_ok=True)
        building = cache / f"{image.name}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        try:
            build(building).rename(image)
        finally:
            shutil.rmtree(building)
    return image


def build(folder: Path) -> Path:
    """The image, made in the folder, which is left with what it took."""
    root, disk, system, image = (folder / name for name in ("root", "disk", "system", "image.qcow2"))
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root))
    (root / "etc/cloud/cloud.cfg.d/99_sources.cfg").write_text(CLOUD)
    (root / "etc/fstab").write_text("LABEL=cloudimg-rootfs / ext4 rw,discard,errors=remount-ro 0 1\n")
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "boot/grub").mkdir(exist_ok=True)
    (root / "boot/grub/early.cfg").write_text(CONFIGURATION)
    second = root / "core.img"
    run(
        *("chroot", str(root), "grub-mkimage", "-O", "i386-pc", "-o", "/core.img", "-p", "/boot/grub"),
        *("-c", "/boot/grub/early.cfg", *MODULES),
    )
    first = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    core = second.read_bytes()
    second.unlink()
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    run("mke2fs", "-q", "-t", "ext4", "-L", "cloudimg-rootfs", "-d", str(root), str(system), f"{SIZE - ROOT - 1}M")
    with disk.open("wb") as out:
        out.truncate(SIZE * MIB)
    shutil.copy(disk, root / "table")
    layout = (
        "label: gpt\n"
        f"start={SECOND}MiB, size={ROOT - SECOND}MiB, type=21686148-6449-6E6F-744E-656564454649\n"
        f"start={ROOT}MiB, size={SIZE - ROOT - 1}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n"
    )
    run("chroot", str(root), "/sbin/sfdisk", "--quiet", "/table", text=layout)
    (root / "table").rename(disk)
    with disk.open("r+b") as out:
        out.write(pointing(first, SECOND * MIB // SECTOR))
        out.seek(SECOND * MIB)
        out.write(following(core, SECOND * MIB // SECTOR))
    run("dd", f"if={system}", f"of={disk}", "bs=1M", f"seek={ROOT}", "conv=notrunc,sparse", "status=none")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", str(disk), str(image))
    return image


def pointing(first: bytes, sector: int) -> bytes:
    """GRUB's first part (up to the table of partitions), which loads that sector: what grub-bios-setup writes."""
    return first[:0x5C] + struct.pack("<Q", sector) + first[0x64:0x1B8]


def following(core: bytes, sector: int) -> bytes:
    """GRUB's second part, whose first sector loads those after it."""
    length = -(-len(core) // SECTOR) - 1
    return core[:0x1F4] + struct.pack("<QHH", sector + 1, length, 0x820) + core[0x200:]


def run(*command: str, text: str | None = None) -> None:
    subprocess.run(command, input=text, text=True, check=True, timeout=1200, stdout=subprocess.DEVNULL)
