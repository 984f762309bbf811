"""How many rows of each kind a balanced file gets, and which."""

from __future__ import annotations

from itertools import accumulate, pairwise

Stratum = tuple[str, ...]


def targets(have: dict[Stratum, int], rows: int, weights: dict[str, float], most: int) -> dict[Stratum, int]:
    """How many rows each stratum gets: by weight for each name at its first place, in that for each at the next.

    No stratum gets more than `most` copies of what it has. What one cannot take goes to those beside it.
    """
    if () in have:
        return {(): rows}
    groups: dict[str, dict[Stratum, int]] = {}
    for (name, *rest), count in have.items():
        groups.setdefault(name, {})[tuple(rest)] = count
    room = {name: most * sum(group.values()) for name, group in groups.items()}
    given = share(min(rows, sum(room.values())), room, {name: weights.get(name, 1.0) for name in groups})
    return {
        (name, *rest): count
        for name, group in groups.items()
        for rest, count in targets(group, given[name], weights, most).items()
    }


def share(rows: int, room: dict[str, int], weights: dict[str, float]) -> dict[str, int]:
    """Split rows by weight among those that have room for them."""
    given: dict[str, int] = {}
    while rest := [name for name in room if name not in given]:
        left, total = rows - sum(given.values()), sum(weights[name] for name in rest)
        each = left / total if total > 0 else 0.0
        full = {name: room[name] for name in rest if each * weights[name] > room[name]}
        # Each bound is clamped: a sum of divided weights may round beyond what is left.
        sums = accumulate((weights[name] for name in rest), initial=0)
        ends = [min(left, round(each * end)) for end in sums]
        parts = zip(rest, pairwise(ends), strict=True)
        given |= full or {name: end - start for name, (start, end) in parts}
    return given
