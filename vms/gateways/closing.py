"""Why consoles end, in one word each, and the WebSocket close code under which the page hears it."""

from __future__ import annotations

from typing import Final

# 4000 to 4999 are free for applications (RFC 6455, 7.4.2). templates/vms/_console_words.html has a
# sentence for each word.
CODES: Final = {
    "target_closed": 4001,
    "no_screen": 4002,
    "host_silent": 4003,
    "screen_silent": 4004,
    "screen_strange": 4005,
    "password_refused": 4006,
    "screen_unreachable": 4007,
    "screen_moved": 4008,
    "held_elsewhere": 4009,
    "signed_out": 4010,
    "session_ended": 4011,
    "token_ended": 4012,
    "right_gone": 4013,
    "vm_gone": 4014,
    "left_alone": 4015,
    "dismissed": 4016,
    "no_pong": 4020,
    "bad_stream": 4021,
    "too_big": 1009,
    "relay_ends": 1012,
    "unwatched": 1011,
    "browser_left": 1000,
}


class Ended(Exception):
    """A console is over; reason is a key of CODES."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
