"""Whether everything answers, asked as a browser would: through the front."""

from __future__ import annotations

import http.client
import socket
import ssl

import redis as redis_client

from kvmweb.environment import Environment

SAYS_READY = ("watcher", "worker", "console", "transfer")


def ask(environment: Environment, path: str = "/readyz", timeout: float = 3.0) -> int:
    """The status that the front answers; 0 where nothing answers."""
    address = environment.bind if environment.bind not in ("0.0.0.0", "::", "localhost") else "127.0.0.1"
    connection: http.client.HTTPConnection
    if environment.tls:
        # Our own front on our own machine; the certificate is whatever the site gave it.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, environment.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(address, environment.port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def silent(environment: Environment, prefix: str) -> list[str]:
    """Which of the processes that say so themselves have not said that they are ready."""
    client = redis_client.Redis.from_url(environment.redis, socket_timeout=2)
    try:
        return [name for name in SAYS_READY if not client.exists(f"{prefix}ready:{name}")]
    except redis_client.RedisError:
        return ["redis", *SAYS_READY]
    finally:
        client.close()


def port_taken(environment: Environment) -> bool:
    """Whether somebody else listens where the front should."""
    address = "127.0.0.1" if environment.bind == "localhost" else environment.bind
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, environment.port))
        except OSError:
            return True
    return False
