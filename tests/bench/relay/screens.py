"""A VNC server's bytes without its work: `python -m tests.bench.relay.screens FOLDER`.

FOLDER/stream.sock writes as fast as it is read, FOLDER/echo.sock gives back what it gets.
"""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

PICTURE = bytes(range(256)) * 4096


def stream(screen: socket.socket) -> None:
    while True:
        screen.sendall(PICTURE)


def echo(screen: socket.socket) -> None:
    while data := screen.recv(65536):
        screen.sendall(data)


def serve(screen: socket.socket, name: str) -> None:
    with screen, suppress(OSError):
        (stream if name == "stream" else echo)(screen)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen(128)
        while True:
            screen, _ = door.accept()
            threading.Thread(target=serve, args=(screen, path.stem), daemon=True).start()


def main() -> None:
    folder = Path(sys.argv[1])
    threading.Thread(target=listen, args=(folder / "stream.sock",), daemon=True).start()
    listen(folder / "echo.sock")


if __name__ == "__main__":
    main()
