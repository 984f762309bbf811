"""`gym-rollouts show`: a rollout turn by turn, or what goes wrong in a whole file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Optional

import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import open_session, unread
from gym_rollouts.decisions.thresholds import reaches
from gym_rollouts.errors import Fault
from gym_rollouts.files import Source, open_sources
from gym_rollouts.lines import ranges, read
from gym_rollouts.loose import read_row
from gym_rollouts.passes import Lines, over_lines
from gym_rollouts.report import FINE, NOTHING_USABLE, Report, table
from gym_rollouts.symptoms import SYMPTOMS, View, symptoms_of, view
from gym_rollouts.transcript import transcript

LONGEST = 600


@dataclass(frozen=True)
class Seen:
    """What is kept of a rollout: where it stands, what it earned, its right calls, and its symptoms."""

    line: int
    task: int | None
    attempt: int | None
    environment: str
    reward: float | None
    calls: int
    symptoms: list[str]


@dataclass(frozen=True)
class Look:
    """The work on a range: what each rollout suffers from. A line that is none gives None."""

    def __call__(self, number: int, lines: Lines) -> list[Seen | None]:
        """Look at the lines of a range."""
        return [self.one(place, line) for place, (_, line) in enumerate(lines)]

    def one(self, place: int, line: bytes) -> Seen | None:
        """One line."""
        row = read_row(line)
        if row is None or not ("response" in row or "reward" in row or "_ng_failure_class" in row):
            return None
        seen = view(row)
        return Seen(place, seen.task, seen.attempt, seen.environment, seen.reward, len(seen.calls), symptoms_of(seen))


def show(
    rollouts: o.Rollouts,
    *,
    line: Annotated[Optional[int], typer.Option("--line", min=1, help="The rollout on this line.")] = None,
    task: Annotated[Optional[int], typer.Option("--task", min=0, help="The task's number.")] = None,
    attempt: Annotated[Optional[int], typer.Option("--attempt", min=0, help="The attempt's number.")] = None,
    failing: Annotated[bool, typer.Option("--failing", help="Only rollouts that are not solved.")] = False,
    symptom: Annotated[
        Optional[str], typer.Option("--symptom", help="Only rollouts with this symptom, such as 'tool loop'.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many rollouts.")] = 1,
    symptoms: Annotated[bool, typer.Option("--symptoms", help="Count the symptoms of all rollouts instead.")] = False,
    solved: o.Solved = 1.0,
    width: Annotated[int, typer.Option("--width", min=40, help="The columns of a line.")] = 80,
    full: Annotated[bool, typer.Option("--full", help=f"All of a text, not its first {LONGEST} characters.")] = False,
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    quiet: o.Quiet = False,
) -> Report:
    """Read a rollout turn by turn, with its symptoms; or count the symptoms of a whole file.

    Without an option it is the first rollout. --symptoms says how often each symptom occurs, what such rollouts earn
    on average, and one of them.

    Examples:

        gym-rollouts show rollouts.jsonl --task 3 --attempt 1

        gym-rollouts show rollouts.jsonl --symptoms

    Raises:
        Fault: an input is not there, or there is no such symptom.
    """
    if symptom is not None and symptom not in SYMPTOMS:
        raise Fault(f"--symptom {symptom!r}: there is no such symptom. There are: {', '.join(SYMPTOMS)}")
    chosen = {"--line": line, "--task": task, "--attempt": attempt, "--failing": failing or None, "--symptom": symptom}
    if symptoms and (given := [name for name, value in chosen.items() if value is not None]):
        raise Fault(f"--symptoms counts all rollouts: leave {', '.join(given)} out")
    with open_session(rollouts, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet) as session:
        sources = open_sources(rollouts, session.spool)
        if symptoms or symptom == "stops early":
            found: dict[int, list[Seen]] = {}
            lines = 0
            for part in over_lines(sources, session.engine, Look(), "reading", quiet):
                lines += part.lines
                kept = [Seen(**asdict(each) | {"line": part.line + each.line}) for each in part.result if each]
                found.setdefault(part.source, []).extend(kept)
            early(found, solved)
            if symptoms:
                return counted(sources, found, lines)
            wanted = {
                (number, each.line) for number, seen in found.items() for each in seen if symptom in each.symptoms
            }
            matches = pick(sources, lambda number, place, _: (number, place) in wanted)
        else:

            def fits(number: int, place: int, seen: View) -> bool:
                return (
                    (line is None or place == line)
                    and (task is None or seen.task == task)
                    and (attempt is None or seen.attempt == attempt)
                    and (not failing or seen.reward is None or not reaches(seen.reward, solved))
                    and (symptom is None or symptom in symptoms_of(seen))
                )

            matches = pick(sources, fits)
        said, rows = list[str](), list[dict[str, Any]]()
        for number, place, seen in matches:
            said += [f"{sources[number].name}:{place}", *transcript(seen, width, None if full else LONGEST), ""]
            rows.append({
                "file": sources[number].name, "line": place, "task": seen.task, "attempt": seen.attempt,
                "reward": seen.reward, "symptoms": symptoms_of(seen),
            })  # fmt: skip
            if len(rows) >= count:
                break
    if not rows:
        asked = " ".join(f"{name} {value}" for name, value in chosen.items() if value is not None)
        return Report({"rollouts": []}, [f"no rollout fits{f' {asked}' if asked else ''}"], NOTHING_USABLE)
    return Report({"rollouts": rows}, said[:-1], FINE)


def pick(sources: list[Source], fits: Any) -> Iterator[tuple[int, int, View]]:
    """The rollouts that fit, each with its source and its line."""
    for number, source in enumerate(sources):
        place = 0
        for span in ranges([source]):
            for _, text in read(span, source.start):
                place += 1
                row = read_row(text)
                if row is not None and fits(number, place, seen := view(row)):
                    yield number, place, seen


def early(found: dict[int, list[Seen]], solved: float) -> None:
    """Add the symptom that needs the other attempts at a task: a right one made more calls."""
    needed: dict[tuple[int, str, int], int] = {}
    for number, rows in found.items():
        for each in rows:
            if each.task is not None and each.reward is not None and reaches(each.reward, solved):
                key = (number, each.environment, each.task)
                needed[key] = min(needed.get(key, each.calls), each.calls)
    for number, rows in found.items():
        for each in rows:
            tried = each.task is not None and each.reward is not None and not each.symptoms
            wrong = tried and not reaches(each.reward or 0.0, solved)
            if wrong and each.calls < needed.get((number, each.environment, each.task or 0), 0):
                each.symptoms.append("stops early")


def counted(sources: list[Source], found: dict[int, list[Seen]], lines: int) -> Report:
    """The symptoms of all rollouts as a table."""
    rows = [(number, each) for number, seen in found.items() for each in seen]
    groups: dict[str, list[tuple[int, Seen]]] = {}
    for number, each in rows:
        for name in each.symptoms or ["none"]:
            groups.setdefault(name, []).append((number, each))
    order = sorted(groups, key=lambda name: (-len(groups[name]), name))
    cells, examples, figures = list[list[str]](), list[str](), dict[str, Any]()
    for name in order:
        group = groups[name]
        rewards = [each.reward for _, each in group if each.reward is not None]
        mean = sum(rewards) / len(rewards) if rewards else None
        number, first = group[0]
        example = f"--line {first.line}"
        if len(sources) > 1:
            example = f"{sources[number].name} {example}"
        figures[name] = {"rollouts": len(group), "mean_reward": mean, "file": sources[number].name, "line": first.line}
        share = f"{len(group) / len(rows):.0%}"
        cells.append([name, f"{len(group):,}", share, "-" if mean is None else f"{mean:.2f}"])
        examples.append(example)
    said = table(["symptom", "rollouts", "share", "reward"], cells)
    said = [f"{cell}  {example}" for cell, example in zip(said, ["for example", *examples], strict=True)]
    if not rows:
        said = ["no rollout is there"]
    said += [f"{name}: {SYMPTOMS[name][0]}" for name in order if name in SYMPTOMS]
    unreadable, missing = lines - len(rows), unread(sources)
    said += missing
    said.append(f"{lines:,} lines, {len(rows):,} rollouts" + (f", {unreadable:,} unreadable" if unreadable else ""))
    figures = {"lines": lines, "rollouts": len(rows), "symptoms": figures, "unread": missing}
    return Report(figures, said, FINE if rows else NOTHING_USABLE)
