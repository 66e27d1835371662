"""Stands where web and console stand: answers on a unix socket with what it was asked, as JSON."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = 200
        if self.path == "/internal/session":
            # Without the header the question would count as activity.
            passes = "signed-in" in self.headers.get("Cookie", "") and self.headers.get("X-Kvmweb-Refresh")
            status = 204 if passes else 401
        body = json.dumps({"path": self.path, "headers": dict(self.headers.items())}).encode() if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "front"

    def log_message(self, *args: object) -> None:
        pass


class Upstream(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
