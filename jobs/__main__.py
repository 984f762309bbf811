"""``python -m jobs [COMMAND ...]``: do each job by a command, or by its reference solution, and say which are right."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jobs.run import JOBS, SITE, ready, reference, solve


def main(arguments: list[str] | None = None) -> int:
    """Do the jobs; the exit status."""
    parser = argparse.ArgumentParser(prog="nox -s jobs --", description=__doc__)
    parser.add_argument("--job", action="append", choices=sorted(JOBS), help="repeatable; unset, all")
    parser.add_argument("--limit", type=float, default=1800, help="seconds for one job (default: 1800)")
    parser.add_argument("--keep", type=Path, help="a folder in which the answers are kept")
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        help="it gets the question on its standard input, runs in the job's folder, and finds the built site at $SITE; "
        "unset, the reference solutions",
    )
    options = parser.parse_args(arguments)
    if options.command and not (SITE / "index.html").is_file():
        parser.error(f"there is no site at {SITE}: build it with nox -s docs")
    right = 0
    names = options.job or sorted(JOBS)
    with ready() as variables:
        for name in names:
            outcome = solve(name, options.command or reference(name), variables, options.limit, options.keep)
            right += outcome.right
            verdict = "right" if outcome.right else "wrong"
            print(f"{verdict}  {name}  {outcome.seconds:.0f} s  {outcome.said}", flush=True)
    print(f"{right} of {len(names)} jobs are right")
    return right != len(names)


if __name__ == "__main__":
    sys.exit(main())
