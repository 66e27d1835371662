"""What a disk image says of itself, read from its beginning by nothing but arithmetic: pure, bounded, no Django, no
libvirt, no qemu-img. An image is a program of the one who wrote it (docs/decisions/0054): what names another file, what
we do not know in every bit and what does not fit together is refused."""

from vms.headers.judge import ENOUGH, FOREIGN, FORMATS, PLAIN, capacity, judge, looks, require

__all__ = ["ENOUGH", "FOREIGN", "FORMATS", "PLAIN", "capacity", "judge", "looks", "require"]
