"""The demo and test guest: a Debian kernel and busybox in 20 MB, built once and kept in the cache.

It reads from its SMBIOS data what it is called (system serial) and what else it shall do (system family):
"ignore-power" makes it deaf for the power button, "report-pointer" makes it tell on its serial line of pointer events.
On the serial line it says "boot <id>" once a boot, "up <n> s" each second, and "address <a>" when DHCP gave it one;
whoever presses Enter there has a shell, and on a second line too. With a qemu-vdagent channel it has a clipboard,
and says "clipboard <text>" when something is put into it.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vms.demo.modules import in_order
from vms.demo.packages import newest_kernel, run, unpack

HERE = Path(__file__).parent
FILES = HERE / "files"
RECIPE = (HERE / "guest.py", HERE / "modules.py", HERE / "packages.py", *sorted(FILES.iterdir()))
WISHES = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_input",
    "virtio_balloon",
    "button",
    "evdev",
    "pvpanic_mmio",
]
PLACES = {
    "init": "init", "inittab": "etc/inittab", "start": "etc/start", "count": "etc/count", "lease": "etc/lease",
    "pointer": "etc/pointer", "profile": "etc/profile", "power": "etc/acpi/PWRF/00000080", "serial": "etc/serial",
    "clipboard": "etc/clipboard",
}  # fmt: skip
COMMAND_LINE = (FILES / "isolinux.cfg").read_text().partition("APPEND ")[2].strip()


@dataclass(frozen=True)
class Guest:
    """The guest's files: bootable ISO, and kernel and initrd for a direct boot with COMMAND_LINE."""

    folder: Path

    @property
    def recipe(self) -> str:
        """Which recipe it was made by."""
        return self.folder.name.removeprefix("guest-")

    @property
    def iso(self) -> Path:
        return self.folder / "guest.iso"

    @property
    def kernel(self) -> Path:
        return self.folder / "iso" / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "iso" / "initrd"


def recipe_hash() -> str:
    """Another recipe is another guest."""
    together = hashlib.sha256()
    for path in RECIPE:
        together.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return together.hexdigest()[:16]


def guest(cache: Path) -> Guest:
    """The guest from the cache folder, built before where it is not there; BuildFailed says why not."""
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = cache / f"guest-{recipe_hash()}"
    with (cache / "guest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would do the work twice
        if not folder.is_dir():
            for left in cache.glob("build-*"):  # by a build that was killed
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as work:
                build(Path(work)).rename(folder)
    return Guest(folder)


def build(work: Path) -> Path:
    """The folder with the guest's files, made from Debian packages in the work folder."""
    root = unpack([newest_kernel(), "busybox-static", "isolinux", "syslinux-common"], work)
    result = work / "guest"
    boot = result / "iso" / "isolinux"
    boot.mkdir(parents=True)
    [kernel] = (root / "boot").glob("vmlinuz-*")
    shutil.copy(kernel, result / "iso" / "vmlinuz")
    (result / "iso" / "initrd").write_bytes(initrd(root, work / "initrd"))
    shutil.copy(root / "usr/lib/ISOLINUX/isolinux.bin", boot)
    shutil.copy(root / "usr/lib/syslinux/modules/bios/ldlinux.c32", boot)
    shutil.copy(FILES / "isolinux.cfg", boot)
    run(
        "xorriso", "-as", "mkisofs", "-o", result / "guest.iso", "-R", "-V", "KVMWEB_DEMO",
        "-isohybrid-mbr", root / "usr/lib/ISOLINUX/isohdpfx.bin", "-b", "isolinux/isolinux.bin",
        "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", result / "iso",
    )  # fmt: skip
    return result


def initrd(root: Path, tree: Path) -> bytes:
    """The compressed archive from which the guest runs."""
    for name, place in PLACES.items():
        target = tree / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / name, target)
        target.chmod(0o755)
    (tree / "srv").mkdir()
    (tree / "bin").mkdir()
    [busybox] = [path for path in root.glob("**/bin/busybox") if not path.is_symlink()]
    shutil.copy(busybox, tree / "bin/busybox")
    (tree / "modules").mkdir()
    modules = in_order(WISHES, root)
    for name, data in modules.items():
        (tree / "modules" / name).write_bytes(data)
    (tree / "modules/order").write_text("".join(f"{name}\n" for name in modules))
    names = "".join(f"{path.relative_to(tree)}\0" for path in sorted(tree.rglob("*")))
    archive = tree.parent / "initrd.cpio"
    run("cpio", "--null", "-o", "-H", "newc", "-R", "0:0", "-O", archive, cwd=tree, given=names.encode())
    return gzip.compress(archive.read_bytes())
