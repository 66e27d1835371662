"""A CD that installs the demo's guest onto the first disk by itself, and restarts."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Final

from vms.demo.guest import Guest
from vms.demo.packages import run

INIT: Final = """\
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order
echo installing > /dev/ttyS0
until [ -b /dev/vda ]; do sleep 1; done
dd if=/system of=/dev/vda bs=1M && sync && echo installed > /dev/ttyS0
reboot -f
"""


def installer(files: Guest) -> Path:
    """The CD's image, kept beside the guest's files; the disk that it makes is bootable as the guest's own CD is."""
    image = files.folder / "installer.iso"
    if not image.exists():
        with tempfile.TemporaryDirectory(dir=files.folder.parent, prefix="build-installer-") as work:
            build(files, Path(work)).rename(image)
    return image


def build(files: Guest, work: Path) -> Path:
    tree, content, image = work / "tree", work / "content", work / "installer.iso"
    tree.mkdir()
    shutil.copy(files.iso, tree / "system")
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    archive = work / "more.cpio"
    run("cpio", "--null", "-o", "-H", "newc", "-R", "0:0", "-O", archive, cwd=tree, given=b"init\0system\0")
    shutil.copytree(files.folder / "iso", content)
    # The kernel unpacks one archive over the other.
    with (content / "initrd").open("ab") as initrd:
        initrd.write(gzip.compress(archive.read_bytes(), 1))
    run(
        "xorriso", "-as", "mkisofs", "-o", image, "-R", "-V", "KVMWEB_INSTALLER", "-b", "isolinux/isolinux.bin",
        "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", content,
    )  # fmt: skip
    return image
