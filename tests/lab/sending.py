"""A client of the transfer process that says exactly what it is told to say."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.lab.machine import eventually
from tests.lab.pools import LabPool
from tests.lab.stack import Answer, Dashboard

MIB = 1 << 20


@dataclass
class Sending:
    """One upload of the dashboard's administrator, by his token."""

    dashboard: Dashboard
    url: str
    operation: int

    def ask(self, method: str, body: bytes | Iterable[bytes] | None = None, **headers: str) -> Answer:
        """One request; names of headers have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.dashboard.port, timeout=60)
        sent = {"Authorization": f"Bearer {self.dashboard.token}", "Tus-Resumable": "1.0.0"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            # Where nobody reads the rest of the body any more, the answer is there all the same.
            with suppress(ConnectionResetError, BrokenPipeError):
                connection.request(method, self.url, body, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def patch(self, offset: int, body: bytes | Iterable[bytes], **headers: str) -> Answer:
        said = {"Upload_Offset": str(offset), "Content_Type": "application/offset+octet-stream", **headers}
        return self.ask("PATCH", body, **said)

    def offset(self) -> int:
        """As HEAD tells it."""
        answer = self.ask("HEAD")
        assert answer.status == 200, answer
        return int(answer.headers["upload-offset"])

    def ended(self, *states: str) -> dict[str, Any]:
        return self.dashboard.await_operation(self.operation, *states)


def pool_of(dashboard: Dashboard, pool: LabPool) -> int:
    """The pool's id, as soon as the watcher has shown it."""

    def look() -> int | None:
        uuid = pool.uuid.replace("-", "")
        found = dashboard.query("SELECT id FROM vms_storagepool WHERE uuid = ? AND active", uuid)
        return int(found[0][0]) if found else None

    return eventually(look, f"the dashboard knows {pool.name}")


def upload(dashboard: Dashboard, pool: int, name: str, size: int, format: str = "raw") -> Sending:
    answer = dashboard.post(f"/pools/{pool}/uploads", {"name": name, "size_bytes": size, "format": format})
    assert answer.status == 201, answer
    return Sending(dashboard, answer.body["url"], answer.body["operation"]["id"])
