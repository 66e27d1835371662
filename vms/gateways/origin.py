"""Which pages may open a WebSocket here: those that this very address serves."""

from __future__ import annotations

from email.message import Message
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host


class ForeignOrigin(Exception):
    """Another page's WebSocket, or a request that names itself twice."""


def check_origin(headers: Message) -> bool:
    """Whether there is an Origin; ForeignOrigin unless its host and port are those of the request's allowed Host."""
    hosts, origins = headers.get_all("Host", []), headers.get_all("Origin", [])
    if len(hosts) != 1 or len(origins) > 1:
        raise ForeignOrigin
    name, _ = split_domain_port(hosts[0])
    if not name or not validate_host(name, settings.ALLOWED_HOSTS):
        raise ForeignOrigin
    if not origins:
        return False
    origin = urlsplit(origins[0])
    if origin.scheme not in ("http", "https") or origin.netloc.lower() != hosts[0].lower():
        raise ForeignOrigin
    return True
