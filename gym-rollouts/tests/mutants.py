"""Mutants of good rows: lines that a real file may hold, and that no command may stop at."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

#: What may stand in place of any value.
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, float("nan"), float("inf"), "", " ", "x", "\ud800", "\x00", [], {}, [None],
    [[]], [{}], {"": None}, {"type": None}, {"type": []}, {"role": ["user"]}, [1, "a", None], "{", '{"a": 1}', 1e308,
]  # fmt: skip


def mutants(rows: list[dict[str, Any]], count: int, seed: int) -> list[str | bytes]:
    """So many lines, each a good row with one to three faults. The same seed gives the same lines."""
    rng = random.Random(seed)
    made: list[str | bytes] = []
    for _ in range(count):
        row = json.loads(json.dumps(rng.choice(rows)))
        for _ in range(rng.randint(1, 3)):
            change(row, rng)
        made.append(spoil(json.dumps(row, ensure_ascii=rng.random() < 0.5), rng))
    return made


def change(row: Any, rng: random.Random) -> None:
    """Put an odd value in a place of a row, or take a key out, or name one otherwise."""
    holder, key = row, None
    while isinstance(holder, dict | list) and holder:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.25:
            break
        holder = inner
    else:
        return
    kind = rng.random()
    if kind < 0.6:
        holder[key] = deepcopy(rng.choice(ODD))
    elif kind < 0.8:
        del holder[key]
    elif isinstance(holder, dict):
        holder[rng.choice(["type", "role", "content", "reward", "x", ""])] = holder.pop(key)
    else:
        holder.append(deepcopy(holder[key]))


def spoil(line: str, rng: random.Random) -> str | bytes:
    """Most often nothing; else a line that is cut, doubled, deep, blank or no UTF-8."""
    data = line.encode("utf-8", "surrogatepass")
    kind = rng.random()
    at = rng.randrange(len(data) + 1)
    if kind < 0.75:
        return data
    if kind < 0.82:
        return data[:at]
    if kind < 0.88:
        return data[:at] + bytes([rng.randrange(256)]).replace(b"\n", b" ") + data[at:]
    if kind < 0.92:
        return data[:-1] + b', "reward": 1, "x": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    if kind < 0.95:
        return rng.choice([b"", b" ", b"null", b"[]", b"1", b"{}", b'"x"', b"\xef\xbb\xbf{}", b"\r"])
    return data + data
