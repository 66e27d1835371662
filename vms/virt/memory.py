"""Files for programs and libraries that read secrets only from files: in memory, and gone with this process."""

from __future__ import annotations

import os


class MemoryFile:
    """Readable by this user through path, also by child processes, until close()."""

    def __init__(self, name: str, text: str) -> None:
        self.descriptor = os.memfd_create(name)
        # ssh refuses a key that others might read.
        os.fchmod(self.descriptor, 0o600)
        os.write(self.descriptor, text.encode())
        # Not "self": a child that closes what it inherited opens it here.
        self.path = f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def text(self) -> str:
        """What it holds now."""
        return os.pread(self.descriptor, 65536, 0).decode(errors="replace")

    def close(self) -> None:
        """Forget it; again is nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
