"""The shim that stands on PATH for ``gym`` and every other command of the install: run it in the zygote.

It is copied, under each command's name, behind ``#!python -IS``. It imports nothing that is not built into the
interpreter or its smallest extension modules, because its start is what every console line of every page pays.
"""

import _signal
import _socket
import array
import marshal
import sys
from posix import _exit, environ, getcwdb, getpid, kill


def main() -> None:
    """Send the command and this process's descriptors, forward signals, and end as the command ends."""
    path = environ.get(b"GYM_ZYGOTE_SOCKET")
    if path is None:
        raise SystemExit(f"{sys.argv[0]}: GYM_ZYGOTE_SOCKET is not set, so there is no live NeMo Gym to run this in")
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.connect(path)
    name = sys.argv[0].rpartition("/")[2]
    ignored = _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN
    request = {"verb": "run", "argv": [name, *sys.argv[1:]], "cwd": getcwdb(), "env": environ}
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", (0, 1, 2)))]
    frame(sock, request | {"ignore_sigint": ignored}, rights)
    for number in (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT) + (() if ignored else (_signal.SIGINT,)):
        _signal.signal(number, lambda number, _: frame(sock, {"signal": int(number)}))
    status = reply(sock)["exit"]
    if status < 0:  # it died of a signal: so does its stand-in, and the shell says what it would have said
        if -status != _signal.SIGKILL:
            _signal.signal(-status, _signal.SIG_DFL)
        kill(getpid(), -status)
    _exit(status & 0xFF)


def frame(sock, message, rights=()):
    """Send one message, as `wire.send` does."""
    body = marshal.dumps(message)
    sock.sendmsg([len(body).to_bytes(4)], rights)
    sock.sendall(body)


def reply(sock):
    """The next message."""
    return marshal.loads(exactly(sock, int.from_bytes(exactly(sock, 4))))


def exactly(sock, size):
    """The next `size` bytes."""
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise SystemExit(f"{sys.argv[0]}: the live NeMo Gym went away before the command ended")
        data += part
    return data


if __name__ == "__main__":
    main()
