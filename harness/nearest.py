"""The name that was meant by one that does not exist. Importable without any package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known name; what is known, when none is near."""
    names = sorted(set(known))
    if found := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f"did you mean {found[0]!r}?"
    return "it knows " + ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") if names else "it takes no keys"


def near_miss(name: str, known: Iterable[str], given: Iterable[str]) -> str | None:
    """The known name that ``name`` misspells, where other names are right, too; None where it is one of those.

    One letter is another, too many, missing, or in the place of its neighbor; in a long name, two are. A known name
    that is ``given`` beside it is not misspelt, and one that differs by its digits is numbered on purpose.
    """
    known = set(known)
    if name in known:
        return None
    missing = sorted(known - set(given))
    return next((each for each in missing if _edits(name, each) <= (2 if len(each) >= 10 else len(each) >= 4)), None)


def _edits(one: str, other: str) -> int:
    """How many letters to change, add, drop or swap with their neighbors until two names are one; digits are many."""
    if "".join(filter(str.isdigit, one)) != "".join(filter(str.isdigit, other)) or abs(len(one) - len(other)) > 2:
        return 99
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
