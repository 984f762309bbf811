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
