"""Frames on the zygote's socket: one dictionary, marshaled, after its length, with file descriptors beside it.

``marshal`` rather than JSON because the shim that stands in for every ``gym`` command pays for each import, and
both ends are always the same interpreter of the same user.
"""

import array
import marshal
import socket
import struct
from typing import Any

HEADER = struct.Struct("!I")
MAX_FDS = 8


def send(sock: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one message; ``fds`` are duplicated into the receiving process."""
    body = marshal.dumps(message)
    header = HEADER.pack(len(body))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([header], rights)
    sock.sendall(body)


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message and its file descriptors, or None when the other end is gone."""
    try:
        header, ancillary, _, _ = sock.recvmsg(HEADER.size, socket.CMSG_SPACE(4 * MAX_FDS), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data)
        header += _exactly(sock, HEADER.size - len(header)) if header else b""
        if not header:
            return None
        return marshal.loads(_exactly(sock, HEADER.unpack(header)[0])), fds.tolist()
    except (ConnectionError, EOFError):
        return None


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = sock.recv(size)
        if not part:
            raise EOFError("the connection ended inside a message")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
