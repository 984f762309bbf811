"""What the tests found, as one file: the site's badges, dates and counts come from here and nowhere else."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.environments import DEFAULT, ENVIRONMENTS

SCHEMA = 1

#: The largest share of blocks that may be shown without being run or validated.
MOST_SHOWN = 0.02

#: The largest share of the lines of Python on the pages that may never run while these are followed.
MOST_NEVER_RUN = 0.05

#: The distributions that judge the pages, beside what those describe.
JUDGED_WITH = ("sybil", "pytest", "sphinx")


def now() -> str:
    """The time, as the ledger writes it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions() -> dict[str, str]:
    """The versions of what judged, and of the NeMo Gym that was judged against."""
    return ENVIRONMENTS[DEFAULT].versions() | {name: version(name) for name in JUDGED_WITH}


def load(path: Path) -> dict[str, Any]:
    """The ledger at ``path``; an empty one where there is none or it has another shape."""
    try:
        ledger = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        ledger = None
    return ledger if isinstance(ledger, dict) and ledger.get("schema") == SCHEMA else {"schema": SCHEMA, "pages": {}}


def add_verbatim(path: Path, followed: dict[str, dict[str, Any]], existing: set[str]) -> None:
    """Put what ``harness.verbatim`` found into the ledger, apart from what the tests found.

    Args:
        path: the ledger.
        followed: the run's records, by page.
        existing: every page that the site has: the records of others are dropped.
    """
    ledger = load(path)
    kept = {name: record for name, record in ledger.get("verbatim", {}).items() if name in existing}
    ledger["verbatim"] = dict(sorted((kept | followed).items()))
    _save(path, ledger)


def write(path: Path, pages: dict[str, dict[str, Any]], existing: set[str], network: str) -> dict[str, Any]:
    """Put the records of the pages that a run judged into the ledger; those of other pages stay as they are.

    Args:
        path: the ledger.
        pages: the run's records, by page.
        existing: every page that the site has: the records of others are dropped.
        network: "isolated", or why it was not.
    """
    ledger = load(path)
    kept = {name: record for name, record in ledger["pages"].items() if name in existing}
    ledger |= {
        "date": now(),
        "versions": versions(),
        "network": network,
        "pages": dict(sorted((kept | pages).items())),
    }
    _save(path, ledger)
    return ledger


def _save(path: Path, ledger: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(ledger, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def shown_share(ledger: dict[str, Any]) -> float:
    """The share of all blocks that are merely shown; 0.0 of none."""
    kinds = [block["verdict"] for page in ledger["pages"].values() for block in page["blocks"]]
    return kinds.count("shown") / len(kinds) if kinds else 0.0


def never_run_share(ledger: dict[str, Any]) -> float:
    """The share of all lines of Python on the pages that never ran; 0.0 of none."""
    lines = [page["lines"] for page in ledger["pages"].values() if "lines" in page]
    total = sum(each["python"] for each in lines)
    return sum(len(each["never_run"]) for each in lines) / total if total else 0.0


def too_much(ledger: dict[str, Any]) -> list[str]:
    """What of the whole site is above a limit, a sentence for each."""
    found = []
    if (share := shown_share(ledger)) > MOST_SHOWN:
        found.append(f"{share:.1%} of the site's blocks are merely shown; at most {MOST_SHOWN:.0%} may be")
    if (share := never_run_share(ledger)) > MOST_NEVER_RUN:
        pages = ((len(page["lines"]["never_run"]), name) for name, page in ledger["pages"].items() if "lines" in page)
        worst = ", ".join(f"{name} ({count})" for count, name in sorted(pages, reverse=True)[:3] if count)
        found.append(
            f"{share:.1%} of the lines of Python on the site never ran; at most {MOST_NEVER_RUN:.0%} may be. Most are "
            f"on {worst}; the ledger lists them"
        )
    return found
