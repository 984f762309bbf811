#!/usr/bin/env bash
# Run a command, and all that it starts, without a network and with all files read-only but those of this folder.
#
#     bash confined.sh COMMAND...
#
# It uses what Linux itself has, through unshare and mount of util-linux, and needs no root: namespaces of its own for
# users, network, processes and mounts. Loopback works inside, so that servers which start there reach each other. /tmp
# is new, and goes with the command, as do all its processes. CONFINED_SECONDS limits the processor time of a process.
set -euo pipefail
exec unshare --user --map-root-user --net --pid --ipc --mount --fork --kill-child --mount-proc bash -euc '
  mount --make-rprivate /
  here=$PWD
  keep=$(mktemp -d)
  mount --bind "$here" "$keep"
  while read -r _ _ _ _ target _; do               # each mount, its blanks written as \040
    mount -o remount,bind,ro "$(printf %b "$target")" 2>/dev/null || echo "confined: $target stays as it is" >&2
  done < <(grep -v " /proc" /proc/self/mountinfo)
  mount -o remount,bind,rw "$keep"
  exec 9<"$keep"
  mount -t tmpfs tmpfs /tmp
  mount -t tmpfs tmpfs /dev/shm
  mkdir -p "$here"
  mount --bind /proc/self/fd/9 "$here"
  exec 9<&-
  cd "$here"
  python3 - <<END
import fcntl, socket, struct
with socket.socket() as sock:  # loopback is down in a new network: up, running
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))
END
  ulimit -t "${CONFINED_SECONDS:-3600}"
  exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"   # what was set up stays so
' confined "$@"
