"""Keep what a run starts on this machine: a network namespace that has only loopback.

Python's sockets can be watched, but Ray and Rust code open their own. In a network namespace of its own, nothing
that a page starts can leave; and the kernel counts what tries, so that a swallowed error is seen too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

#: What this process is told by the one that started it: "isolated", or why it is not.
VARIABLE = "HARNESS_NETWORK"
ISOLATED = "isolated"

_IFF_UP = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914


def isolate() -> str:
    """Move this process, and all that it starts from now on, into a namespace with loopback only.

    Returns:
        ``"isolated"``, or ``"open: <why>"`` where the system does not allow it.
    """
    try:
        _try_in_another_process()
        _enter()
    except OSError as error:
        state = f"open: this system allows no network namespace ({error.strerror or error})"
    else:
        state = ISOLATED
    os.environ[VARIABLE] = state
    return state


def _try_in_another_process() -> None:
    """See that all of it works, since one half of it, a namespace whose loopback stays down, cannot be undone."""
    tried = subprocess.run([sys.executable, "-IS", __file__], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise OSError(tried.stderr.strip())


def _enter() -> None:
    _unshare()
    _loopback_up()


def _unshare() -> None:
    """A network namespace, through a user namespace where the rights for one are missing."""
    if not hasattr(os, "unshare"):
        raise OSError("it is not Linux")
    with contextlib.suppress(PermissionError):
        os.unshare(os.CLONE_NEWNET)
        return
    uid, gid = os.getuid(), os.getgid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    # Root inside stands for the user outside, as `unshare -r` has it: files keep their owner.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def attempts() -> int:
    """How often something in this namespace has tried to leave the machine since the namespace was made.

    The kernel counts packets for which it had no route, and, where the name server's address is a loopback one,
    questions that no port took. 0 where the run is not isolated.
    """
    if os.environ.get(VARIABLE) != ISOLATED:
        return 0
    network = Path("/proc/thread-self/net")
    table = _counters((network / "snmp").read_text())
    count = table["Ip"]["OutNoRoutes"] + table["Udp"]["NoPorts"]
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        table6 = dict(line.split() for line in (network / "snmp6").read_text().splitlines())
        count += int(table6["Ip6OutNoRoutes"]) + int(table6["Udp6NoPorts"])
    return count


def _counters(text: str) -> dict[str, dict[str, int]]:
    lines = [line.split() for line in text.splitlines()]
    return {
        names[0].rstrip(":"): dict(zip(names[1:], map(int, values[1:]), strict=True))
        for names, values in zip(lines[::2], lines[1::2], strict=True)
    }


if __name__ == "__main__":
    try:
        _enter()
    except OSError as error:
        sys.exit(error.strerror or str(error))
