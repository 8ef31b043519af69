"""Runs a command in a terminal of its own: terminal.py COLUMNS ROWS OUT END -- COMMAND…

Writes all that the terminal was told to OUT. After the command has drawn three times (or has said END itself) it is
ended by END: a key (q, ^C) or a signal (TERM, HUP). Prints as JSON how it ended and whether the terminal is as it was.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

columns, rows, out, end = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
command = sys.argv[6:]
leader, follower = pty.openpty()
fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
before = termios.tcgetattr(follower)


def own_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


environment = {**os.environ, "TERM": "xterm-256color"}
for name in ("COLUMNS", "NO_COLOR"):
    environment.pop(name, None)
if os.environ.get("WITHOUT_COLOUR"):
    environment["NO_COLOR"] = "1"
process = subprocess.Popen(
    command, stdin=follower, stdout=follower, stderr=follower, preexec_fn=own_terminal, env=environment
)
told, asked, deadline = b"", False, time.monotonic() + 60
while process.poll() is None and time.monotonic() < deadline:
    if select.select([leader], [], [], 0.05)[0]:
        told += os.read(leader, 65536)
    if not asked and told.count(b"\x1b[H") >= 3:
        asked = True
        during = termios.tcgetattr(follower)
        if end in ("TERM", "HUP"):
            process.send_signal(getattr(signal, "SIG" + end))
        else:
            os.write(leader, {"q": b"q", "^C": b"\x03"}[end])
if process.poll() is None:
    process.kill()
while select.select([leader], [], [], 0.2)[0]:
    told += os.read(leader, 65536)
after = termios.tcgetattr(follower)
with open(out, "wb") as file:
    file.write(told)
print(json.dumps({
    "code": process.wait(),
    "drawn": asked,
    "keys_at_once": asked and not during[3] & termios.ICANON,
    "restored": before == after,
}))
