"""How values travel through Redis: JSON, because whoever can write Redis must not run code here."""

from __future__ import annotations

import json
from typing import Any


class JSONSerializer:
    """Django's cache serializer protocol; integers stay integers so that Redis can count with them."""

    def dumps(self, obj: Any) -> bytes | int:
        if type(obj) is int:
            return obj
        return json.dumps(obj).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
