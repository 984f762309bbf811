"""`gym-rollouts watch`: how far a collection has got."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated, Any

import typer

from gym_rollouts import options as o
from gym_rollouts.collection import Collection
from gym_rollouts.errors import Fault
from gym_rollouts.report import FINE, FOUND, Report

#: The rate is that of so many seconds.
WINDOW = 120.0


def watch(
    rollouts: Annotated[Path, typer.Argument(help="The rollouts file that the collection writes.", show_default=False)],
    *,
    once: Annotated[bool, typer.Option("--once", help="Say how far it is, and end.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds from one look to the next.")] = 5.0,
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="Seconds without a line after which failed attempts are final.")
    ] = 60.0,
    quiet: o.Quiet = False,
) -> Report:
    """Watch a collection: how many attempts are done, how fast, what they earn, how many failed, and the time left.

    It reads the rollouts and, beside them, the materialized inputs and the failures, as they grow. It ends when all
    attempts are done, or when those that are left have failed and nothing has come for a while: the exit status is 1
    then. A resumed collection tries failed attempts again, and so they count as open. Ctrl-C ends it at any time.

    Examples:

        gym-rollouts watch results/rollouts.jsonl

        gym-rollouts watch results/rollouts.jsonl --once --json

    Raises:
        Fault: there is no collection of that name.
    """
    if rollouts.is_dir():
        raise Fault(f"{rollouts}: is a folder. Name the rollouts file in it, such as {rollouts}/rollouts.jsonl")
    if rollouts.suffix.lower() in (".gz", ".zst", ".bz2", ".xz"):
        raise Fault(f"{rollouts}: is compressed, and no collection writes it. gym-rollouts metrics reads such a file")
    seen = Collection.of(rollouts)
    if once and not any(tail.exists for tail in (seen.rollouts, seen.inputs, seen.failures)):
        raise Fault(f"{rollouts}: there is no such file, and no {seen.inputs.path.name}. Check the name")
    if once:
        seen.read(to_the_end=True)
        return report(seen, rate_of_files(seen))
    marks: deque[tuple[float, int]] = deque()
    rate, last, said = None, time.monotonic(), ""
    try:
        while True:
            now = time.monotonic()
            if seen.read():
                last = now
            marks.append((now, seen.done))
            while len(marks) > 2 and now - marks[0][0] > WINDOW:
                marks.popleft()
            rate = rate_of(marks) if len(marks) > 1 else None
            line = say(seen, rate)
            if line != said and not quiet:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
                said = line
            failed_for_good = 0 < seen.asked <= seen.done + seen.failed and now - last >= patience
            if seen.whole or failed_for_good:
                break
            time.sleep(every)
    except KeyboardInterrupt:
        pass
    made = report(seen, rate)
    if said == made.lines[0] and not quiet:
        made.lines = made.lines[1:] or ["ended"]
    made.status = FINE if seen.whole else FOUND
    return made


def rate_of(marks: deque[tuple[float, int]]) -> float | None:
    """Attempts a minute, from the first mark to the last."""
    seconds = marks[-1][0] - marks[0][0]
    return 60 * max(marks[-1][1] - marks[0][1], 0) / seconds if seconds > 0 else None


def rate_of_files(seen: Collection) -> float | None:
    """Attempts a minute since the inputs were written, by the times of the files."""
    seconds = seen.rollouts.modified - seen.inputs.modified
    return 60 * seen.done / seconds if seen.inputs.modified and seconds > 0 else None


def left(seen: Collection, rate: float | None) -> float | None:
    """Seconds until all is done at this rate."""
    return 60 * max(seen.asked - seen.done - seen.failed, 0) / rate if rate and seen.asked else None


def say(seen: Collection, rate: float | None) -> str:
    """How far it is, in one line."""
    if not (seen.done or seen.asked or seen.unreadable):
        return f"waiting for {seen.rollouts.path}"
    said = [f"{seen.done:,} of {seen.asked:,}" if seen.asked else f"{seen.done:,} rollouts, of an unknown number"]
    if rate is not None:
        said.append(f"{rate:,.0f} a minute")
    if seen.mean is not None:
        said.append(f"mean reward {seen.mean:.3f}")
    for count, what in (
        (seen.failed, "failed"), (seen.masked, "masked"), (seen.repeated, "repeated"), (seen.unreadable, "unreadable"),
        (seen.done - seen.masked - seen.rewarded, "without a reward"),
    ):  # fmt: skip
        if count:
            said.append(f"{count:,} {what}")
    if (seconds := left(seen, rate)) and not seen.whole:
        said.append(f"{duration(seconds)} left")
    return ", ".join(said)


def duration(seconds: float) -> str:
    """A time in words that fit a line."""
    minutes = int(seconds + 59) // 60
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def report(seen: Collection, rate: float | None) -> Report:
    """All that is known."""
    figures: dict[str, Any] = {
        "asked": seen.asked or None, "done": seen.done, "failed": seen.failed, "masked": seen.masked,
        "repeated": seen.repeated, "unreadable": seen.unreadable, "mean_reward": seen.mean, "rewarded": seen.rewarded,
        "per_minute": rate, "seconds_left": left(seen, rate), "failures": dict(seen.classes.most_common()),
    }  # fmt: skip
    lines = [say(seen, rate)]
    if seen.failed:
        kinds = ", ".join(f"{count:,} {name}" for name, count in seen.classes.most_common())
        final = sum(final for _, final in seen.open_failures)
        lines.append(f"failures: {kinds} in {seen.failures.path.name}")
        lines.append(
            "start the collection again with --resume to try the failed attempts again"
            + (f"; {final:,} of them are final" if final else "")
        )
    return Report(figures, lines, FINE)
