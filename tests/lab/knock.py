"""What a user can open, change, list or connect to: a program that he runs, the paths as JSON on its input."""

from __future__ import annotations

# It prints [path, how] for each that let it in.
SCRIPT = """
import json, os, socket, sys

def knock(path, how):
    try:
        if how == "connect":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
        elif how == "list":
            os.listdir(path)
        elif how == "make":
            os.mkdir(path + "/made")
            os.rmdir(path + "/made")
        else:
            os.close(os.open(path, {"read": os.O_RDONLY, "write": os.O_WRONLY}[how] | os.O_NONBLOCK))
    except OSError:
        return False
    return True

print(json.dumps([[path, how] for path in json.load(sys.stdin)
                  for how in ("read", "write", "list", "make", "connect") if knock(path, how)]))
"""
