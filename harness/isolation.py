"""Keep what a run starts on this machine: a network namespace that has only loopback.

Python's sockets can be watched, but Ray and Rust code open their own. In a network namespace of its own, nothing
that a page starts can leave; and the kernel counts what tries, so that a swallowed error is seen too.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

#: What this process is told by the one that started it: "isolated", or why it is not.
VARIABLE = "HARNESS_NETWORK"
ISOLATED = "isolated"

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_IFF_UP = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914


def isolate() -> str:
    """Move this process, and all that it starts from now on, into a namespace with loopback only.

    Returns:
        ``"isolated"``, or ``"open: <why>"`` where the system does not allow it.
    """
    try:
        _unshare()
        _loopback_up()
    except OSError as error:
        state = f"open: this system allows no network namespace ({error.strerror or error})"
    else:
        state = ISOLATED
    os.environ[VARIABLE] = state
    return state


def _unshare() -> None:
    """A network namespace, through a user namespace where the rights for one are missing."""
    if _call_unshare(_CLONE_NEWNET):
        return
    uid, gid = os.getuid(), os.getgid()
    if not _call_unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # Root inside stands for the user outside, as `unshare -r` has it: files keep their owner.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _call_unshare(flags: int) -> bool:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.unshare(flags) == 0
    except (AttributeError, OSError):  # no Linux
        return False


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
    count = 0
    table = _counters(Path("/proc/thread-self/net/snmp").read_text())
    count += table.get("Ip", {}).get("OutNoRoutes", 0) + table.get("Udp", {}).get("NoPorts", 0)
    for line in Path("/proc/thread-self/net/snmp6").read_text().splitlines() if Path("/proc/thread-self/net/snmp6").exists() else []:
        name, value = line.split()
        if name == "Ip6OutNoRoutes":
            count += int(value)
    return count


def _counters(text: str) -> dict[str, dict[str, int]]:
    lines = [line.split() for line in text.splitlines()]
    return {
        names[0].rstrip(":"): dict(zip(names[1:], map(int, values[1:]), strict=True))
        for names, values in zip(lines[::2], lines[1::2], strict=True)
    }
