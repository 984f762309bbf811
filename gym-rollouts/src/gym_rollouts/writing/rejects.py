"""The rejects: one form for all commands, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from gym_rollouts.errors import Reject


def write_rejects(rejects: Iterable[Reject], place: Path, append: bool = False) -> int:
    """Write rejects as JSON Lines, behind those that are there if asked. Returns how many."""
    encoder, count = msgspec.json.Encoder(), 0
    with place.open("ab" if append else "wb", buffering=1 << 20) as out:
        for reject in rejects:
            out.write(encoder.encode(printable(reject)) + b"\n")
            count += 1
    return count


def printable(reject: Reject) -> Reject:
    """A reject whose texts JSON can hold: names of files may be no Unicode, and reasons may quote half a surrogate."""
    file, reason = (text.encode("utf-8", "replace").decode() for text in (reject.file, reject.reason))
    return Reject(file, reject.line, reject.step, reason)
