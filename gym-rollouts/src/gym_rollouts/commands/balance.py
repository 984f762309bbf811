"""`gym-rollouts balance`: the mix of environments, difficulties and lengths that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import numpy as np
import typer
from msgspec import Struct, field

from gym_rollouts import options as o
from gym_rollouts.balancing import targets
from gym_rollouts.commands.session import finish, open_session
from gym_rollouts.decisions import Choices, State, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.decisions.thresholds import at_least
from gym_rollouts.errors import Fault
from gym_rollouts.facts import Numbers
from gym_rollouts.files import check_input, open_whole
from gym_rollouts.lines import ranges, read
from gym_rollouts.report import FINE, NOTHING_USABLE, Report, table
from gym_rollouts.selection import ranks
from gym_rollouts.splitting import held_out, mixed
from gym_rollouts.statistics import per_task
from gym_rollouts.taskfile import lines_of_tasks, read_tasks
from gym_rollouts.topics import UNKNOWN, read_topics
from gym_rollouts.writing import format_of
from gym_rollouts.writing.copy import copy_lines, copy_tasks

DIFFICULTIES = ("easy", "hard", "medium", "unknown")
LENGTHS = ("long", "short")
#: Why nothing is held out, or nothing is left to train on.
EMPTY = ("no environment has two questions, of which one can be held out", "--rows and --weight leave no row")


class Profiled(Struct):
    """What is read of a line of a reward profile."""

    task: int = field(name="_ng_task_index")
    mean: float | None = field(name="mean/reward")


def balance(
    rollouts: o.Rollouts,
    *,
    train: Annotated[Path, typer.Option("--train", help="The balanced file to write.")],
    profile: Annotated[
        Optional[Path], typer.Option("--profile", help="What `gym eval profile` wrote of all attempts.")
    ] = None,
    measured: Annotated[
        Optional[list[Path]],
        typer.Option("--measure-by", help="All rollouts of the collection, before a filter; repeatable."),
    ] = None,
    tasks: Annotated[
        Optional[Path], typer.Option("--tasks", help="Write lines of this file, the tasks, in place of rollouts.")
    ] = None,
    validation: Annotated[float, typer.Option("--validation", help="The share of tasks to hold out.")] = 0.0,
    held: Annotated[Optional[Path], typer.Option("--held-out", help="The file to write of what is held out.")] = None,
    topics: Annotated[
        Optional[Path],
        typer.Option("--topics", help="Tasks, or materialized inputs, whose rows have a topic: balance by it, too."),
    ] = None,
    topic: Annotated[str, typer.Option("--topic", help="The field of those rows that is the topic.")] = "topic",
    rows: Annotated[
        Optional[int], typer.Option("--rows", min=0, help="Rows of the balanced file; unset, as many as there are.")
    ] = None,
    per_task_most: Annotated[
        Optional[int], typer.Option("--per-task", min=1, help="At most so many attempts at a task.")
    ] = None,
    weight: Annotated[
        Optional[list[str]],
        typer.Option("--weight", help="NAME=WEIGHT of an environment, a topic, a difficulty or a length; repeatable."),
    ] = None,
    most_copies: Annotated[int, typer.Option("--most-copies", min=1, help="At most so many copies of a row.")] = 4,
    hard: Annotated[float, typer.Option("--hard", help="A task is hard up to this mean reward.")] = 1 / 3,
    easy: Annotated[float, typer.Option("--easy", help="And easy from this one.")] = 2 / 3,
    short: Annotated[
        Optional[int], typer.Option("--short", min=0, help="An attempt is short up to so many characters.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other rows.")] = 0,
    rejects: o.Rejects = Path("rejects.jsonl"),
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    facts: o.Facts = None,
    quiet: o.Quiet = False,
) -> Report:
    """Balance rollouts over environments, topics, difficulties and lengths, with seeded up- and down-sampling.

    Rows are split by weight among the environments, in each among topics, if --topics names them, then among
    difficulties, and there among lengths, if --short splits them. Only all attempts at a task show how hard it is: give
    --profile or --measure-by where a filter removed some.

    Examples:

        gym-rollouts balance kept.jsonl --measure-by rollouts.jsonl --weight hard=2 --train train.jsonl

        gym-rollouts balance kept.jsonl --profile rollouts_reward_profiling.jsonl --train train.jsonl
            --validation 0.1 --held-out validation.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or an option cannot be honored.
    """
    weights = weights_of(weight or [])
    _check(profile, measured, validation, held, hard, easy)
    for path in filter(None, [profile, topics]):
        check_input(path)
    inputs = [*rollouts, *(measured or []), *filter(None, [profile, tasks, topics])]
    with open_session(
        inputs, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        places = []
        for target, option in ((train, "--train"), (held, "--held-out")):
            if target:
                format_of(target, option, [".jsonl"])
                places += session.outputs.claim(target, option)
        (named,) = session.outputs.claim(rejects, "--rejects")
        state = session.state(session.survey(rollouts), Choices())
        outcome = decide(state, MEASURED)
        figures, said, status = finish(outcome, named, rejects)
        left = np.flatnonzero(outcome.left)
        means = np.full(len(state.table), np.nan)
        if profile:
            means[left] = profiled(profile, state, left, session.spool)
        else:
            whole = state
            if measured:
                folder = session.spool / "measured"
                folder.mkdir()
                whole = session.state(session.survey(measured, folder), Choices())
                decide(whole, MEASURED)
            means[left] = means_of(whole, state, left)
        out = held_out(state, left, validation, seed) if validation else np.zeros(len(left), bool)
        chosen, kept_out = left[~out], left[out]
        chosen, kept_out = (most_per_task(state, each, per_task_most, seed) for each in (chosen, kept_out))
        named_topics = None
        if topics:
            folder = session.spool / "topics"
            folder.mkdir()
            named_topics = read_topics(topics, topic, folder)
        strata = strata_of(state, chosen, means[chosen], named_topics, hard, easy, short)
        names = sorted({name for stratum in strata for name in stratum})
        if unknown := sorted(weights.keys() - set(names)):
            raise Fault(f"--weight {unknown[0]}: expected one of {', '.join(names)}")
        have = {key: len(members) for key, members in sorted(strata.items())}
        asked = len(chosen) if rows is None else rows
        goals = targets(have, asked, weights, most_copies)
        wanted = targets(have, asked, weights, asked)
        balanced = draw(state, strata, goals, seed)
        for target, place, picked in zip((train, held), places, (balanced, kept_out), strict=False):
            if tasks:
                file = read_tasks(tasks, session.engine, session.spool)
                lines = lines_of_tasks(file, state, picked)
                count = copy_tasks(file, lines, place, session.engine, quiet)
            else:
                count = copy_lines(state.table, picked, place, session.engine, quiet)
            copied = count - len(np.unique(picked))
            more = f", {copied:,} of them copies (for prepare: --copies keep)" if copied and not tasks else ""
            said.append(f"{target}: {count:,} rows{more}")
            figures["train" if target == train else "held_out"] = count
            if target == train:
                figures["copies"] = copied
            if not count and status == FINE:
                said.append(f"{target}: nothing is in it: {EMPTY[target == train]}")
                status = NOTHING_USABLE
    headings = ["environment", *(["topic"] if topics else []), "difficulty", *(["length"] if short is not None else [])]
    shown = []
    for environment in sorted({key[0] for key in have}):
        own = [key for key in have if key[0] == environment]
        shown += [[*key, f"{have[key]:,}", f"{goals[key]:,}"] for key in own]
        sums = (sum(counts[key] for key in own) for counts in (have, goals))
        shown.append([environment, *["all"] * (len(headings) - 1), *(f"{each:,}" for each in sums)])
    figures["strata"] = [
        dict(zip(headings, key, strict=True)) | {"rows": count, "balanced": goals[key]} for key, count in have.items()
    ]
    return Report(
        figures,
        [*table([*headings, "rows", "balanced"], shown), *missed(have, goals, wanted, most_copies), *said],
        status,
    )


def _check(
    profile: Path | None, measured: list[Path] | None, validation: float, held: Path | None, hard: float, easy: float
) -> None:
    if profile and measured:
        raise Fault("--profile and --measure-by both say how hard tasks are: give one")
    if not 0 <= validation < 1:
        raise Fault(f"--validation {validation:g}: expected a share from 0 to 1, such as 0.1")
    if bool(validation) != bool(held):
        raise Fault("--validation and --held-out go together: a share and a file")
    if not hard < easy:
        raise Fault(f"--hard {hard:g} --easy {easy:g}: expected hard below easy")


def missed(have: dict[Any, int], goals: dict[Any, int], wanted: dict[Any, int], most: int) -> list[str]:
    """A line for each stratum that gets fewer rows than its weight asks for, since it has too few to copy."""
    return [
        f"--most-copies {most}: {', '.join(key)}: {goal:,} of {wanted[key]:,}"
        for key, goal in goals.items()
        if goal < wanted[key] and goal == most * have[key]
    ]


def weights_of(given: list[str]) -> dict[str, float]:
    """Weights from NAME=WEIGHT.

    Raises:
        Fault: one is no such text, or no number from 0.
    """
    weights = {}
    for each in given:
        name, _, text = each.rpartition("=")
        try:
            weights[name] = float(text)
        except ValueError:
            raise Fault(f"--weight {each}: expected NAME=WEIGHT, such as hard=2") from None
        if not name or not 0 <= weights[name] < float("inf"):
            raise Fault(f"--weight {each}: expected NAME=WEIGHT with a number from 0, such as hard=2")
    return weights


def profiled(path: Path, state: State, rows: Numbers, spool: Path) -> np.ndarray:
    """The mean reward of each row's task in a file that `gym eval profile` wrote; NaN where it has none.

    Raises:
        Fault: a line is no row of a profile, or the end of the file is missing.
    """
    folder = spool / "profile"
    folder.mkdir()
    (source,) = open_whole([path], folder, "--profile")
    decoder, means = msgspec.json.Decoder(Profiled), dict[int, float]()
    lines = (line for span in ranges([source]) for _, line in read(span, source.start))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Fault(f"{path}, line {number}: expected a row of a reward profile, found: {error}") from None
        if row.mean is not None:
            means[row.task] = row.mean
    return np.array([means.get(task, np.nan) for task in state.column("task")[rows].tolist()])


def means_of(whole: State, state: State, rows: Numbers) -> np.ndarray:
    """The mean reward of each row's task over the counted attempts of `whole`; NaN where it has none."""
    tasks = per_task(whole, whole.left, 1.0)
    means = dict(zip(_names(whole, tasks.first), tasks.mean.tolist(), strict=True))
    return np.array([means.get(key, np.nan) for key in _names(state, rows)])


def _names(state: State, rows: Numbers) -> list[tuple[str, int, int]]:
    """What tells a task in another file: its environment, and its number and question, or its request."""
    names, environments = state.table.environments
    number = state.column("task")[rows]
    asked = np.where(number >= 0, state.column("question")[rows], state.column("request")[rows])
    told = [names[each] for each in environments[rows].tolist()]
    return list(zip(told, number.tolist(), asked.tolist(), strict=True))


def attempt_draw(state: State, rows: Numbers, seed: int) -> np.ndarray:
    """A draw for each row, from the seed and what the attempt is."""
    return mixed(seed, *(state.column(name)[rows] for name in ("question", "task", "rollout", "text")))


def most_per_task(state: State, rows: Numbers, most: int | None, seed: int) -> Numbers:
    """At most so many attempts at each task."""
    if most is None or not len(rows):
        return rows
    order, place = ranks(state.tasks.task[rows], attempt_draw(state, rows, seed), rows)
    return rows[np.sort(order[place < most])]


def strata_of(
    state: State,
    rows: Numbers,
    means: np.ndarray,
    topics: dict[int, str] | None,
    hard: float,
    easy: float,
    short: int | None,
) -> dict[tuple[str, ...], Numbers]:
    """The rows of each environment, topic, difficulty and length; topic and length only where they are asked for."""
    environments, environment = state.table.environments
    difficulty = np.where(at_least(means, easy), 0, np.where(at_least(hard - means, 0.0), 1, 2))
    difficulty = np.where(np.isnan(means), 3, difficulty)
    levels: list[tuple[list[str], np.ndarray]] = [(list(environments), environment[rows])]
    if topics is not None:
        found = [topics.get(task, UNKNOWN) for task in state.column("task")[rows].tolist()]
        names = sorted(set(found))
        number = {name: n for n, name in enumerate(names)}
        levels.append((names, np.array([number[name] for name in found], np.int64)))
    levels.append((list(DIFFICULTIES), difficulty))
    if short is not None:
        levels.append((list(LENGTHS), (state.column("length")[rows] <= short).astype(np.int64)))
    code = np.zeros(len(rows), np.int64)
    for names, numbers in levels:
        code = code * max(len(names), 1) + numbers.astype(np.int64)
    strata = {}
    for each in np.unique(code).tolist():
        key, left = [], each
        for names, _ in reversed(levels):
            left, number_of = divmod(left, len(names))
            key.append(names[number_of])
        strata[tuple(reversed(key))] = rows[code == each]
    return strata


def draw(state: State, strata: dict[Any, Numbers], goals: dict[Any, int], seed: int) -> Numbers:
    """The rows of the balanced file, copies included, in an order that the seed draws."""
    picked = []
    for key, rows in strata.items():
        order = rows[np.lexsort((rows, attempt_draw(state, rows, seed)))]
        copies = np.full(len(rows), goals[key] // max(len(rows), 1))
        copies[: goals[key] % max(len(rows), 1)] += 1
        picked.append(np.repeat(order, copies))
    if not picked:
        return np.empty(0, np.int64)
    made = np.concatenate(picked)
    order, place = ranks(made)
    copy = np.empty(len(made), np.int64)
    copy[order] = place
    return made[np.lexsort((copy, made, mixed(seed + 1, attempt_draw(state, made, seed), copy)))]
