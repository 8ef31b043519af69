#!/usr/bin/env python3
"""Becomes a program that has inherited sockets from a service manager: inherit.py NAME:NAME PROGRAM ARGUMENT...

The sockets come over standard input, which is a socket, too.
"""

import fcntl
import os
import socket
import sys

FIRST = 3
# Above all that may be open already.
ASIDE = 2000

names = [name for name in sys.argv[1].split(":") if name]
channel = socket.socket(fileno=0)
sockets = []
while len(sockets) < len(names):
    _, more, _, _ = socket.recv_fds(channel, 1, 64)
    if not more:
        sys.exit(f"{len(sockets)} of {len(names)} sockets came")
    sockets += [fcntl.fcntl(fd, fcntl.F_DUPFD, ASIDE) for fd in more]
    for fd in more:
        os.close(fd)
for place, fd in enumerate(sockets, FIRST):
    os.dup2(fd, place)
os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
channel.detach()
os.closerange(FIRST + len(names), ASIDE + 2 * len(names) + 64)
os.environ.update(LISTEN_FDS=str(len(names)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=":".join(names))
os.execv(sys.argv[2], sys.argv[2:])
