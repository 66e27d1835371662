"""What a host's fields may say. Forms check the same and tell it better; here it is the last look before they are used,
so that no field can be an option, a second line of a configuration, or more than one name."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from vms.errors import BadHostField

LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)*{LABEL}\Z")
USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")
# Goes into a line that a shell on the other machine reads.
REMOTE_PATH: Final = re.compile(r"/[A-Za-z0-9_.+/-]{1,106}\Z")
PATH: Final = re.compile(r"/[^\x00-\x1f\x7f]{1,254}\Z")
KEY: Final = re.compile(r"[a-z0-9@.-]{3,64} [A-Za-z0-9+/]{32,8192}={0,2}\Z")


def address(text: str) -> str:
    """A machine's name (international ones in their xn-- form), or its IP address without brackets and without zone."""
    try:
        if "%" not in text:
            return str(ip_address(text))
    except ValueError:
        # "127.1" and "2130706433" are addresses to some programs and names to others.
        if NAME.match(text) and not text.rpartition(".")[2].isdigit():
            return text
    raise BadHostField(text, field="address")


def port(number: int, usual: int) -> int:
    """1 to 65535; 0 stands for the usual one."""
    if not 0 <= number <= 65535:
        raise BadHostField(str(number), field="port")
    return number or usual


def user(text: str) -> str:
    if not USER.match(text):
        raise BadHostField(text, field="user")
    return text


def path(text: str, pattern: re.Pattern[str] = PATH) -> str:
    """An absolute path of a socket."""
    if not pattern.match(text):
        raise BadHostField(text, field="socket")
    return text


def host_key(text: str) -> str:
    """Type and key of an OpenSSH line, without the names before and the comment behind."""
    words = text.split()
    at = next((index for index, word in enumerate(words) if word.startswith("AAAA")), 0)
    key = " ".join(words[at - 1 : at + 1]) if at else ""
    if not KEY.match(key):
        raise BadHostField(text, field="host_key")
    return key
