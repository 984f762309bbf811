"""A file of tasks, numbered as NeMo Gym numbers it: distinct lines in order, but for lines that give their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from gym_rollouts.decisions import State
from gym_rollouts.engine import Engine
from gym_rollouts.errors import Fault, Reject, Unusable
from gym_rollouts.facts import Bits, Numbers, digest, prompt_facts
from gym_rollouts.files import Source, open_sources
from gym_rollouts.lines import Range, ranges, read
from gym_rollouts.rollouts import STEP, Agent, Params, decode_line, say
from gym_rollouts.survey import uncollected


class TaskLine(Struct, gc=False):
    """What is read of a task row."""

    responses_create_params: Params | None = None
    task: int | None = msgspec.field(default=None, name="_ng_task_index")
    agent_ref: Agent | str | None = None
    task_source: str | None = None


@dataclass(frozen=True)
class Job:
    """A range of a tasks file."""

    span: Range
    first: int


@dataclass(frozen=True)
class TaskRow:
    """A line of a tasks file: where it is, its number if it gives one, and its question, or why it has none.

    `environment` is the name that it gives, or nothing.
    """

    start: int
    size: int
    text: int
    task: int | None
    question: int
    problem: Unusable | None
    environment: str = ""


@dataclass
class TaskFile:
    """The lines of a tasks file, and the number that NeMo Gym gives each; `first` is the line that has it first."""

    source: Source
    rows: list[TaskRow]
    numbers: list[int]
    first: list[int]


LINES: msgspec.json.Decoder[TaskLine] = msgspec.json.Decoder(TaskLine)


def read_range(job: Job) -> list[TaskRow]:
    """The task rows of a range."""
    with uncollected():
        return [row_of(place, text) for place, text in read(job.span, job.first)]


def row_of(place: int, text: bytes) -> TaskRow:
    """One line as a task row."""
    same = digest(text)
    try:
        try:
            line = LINES.decode(text)
        except msgspec.ValidationError as error:
            raise Unusable(STEP, say(error)) from None
        except RecursionError:
            raise Unusable(STEP, "nested too deeply to be read") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if not text.strip():
                raise Unusable("blank", "a blank line") from None
            raise Unusable(STEP, f"not JSON: {error}") from None
        if line.responses_create_params is None:
            raise Unusable(STEP, "no responses_create_params: this line is no task")
        params = line.responses_create_params
        facts = prompt_facts(params)
        agent = line.agent_ref if isinstance(line.agent_ref, str) else line.agent_ref and line.agent_ref.name
        named = agent or line.task_source or ""
        return TaskRow(place, len(text), same, line.task, facts.question, facts.problem, named)
    except Unusable as problem:
        return TaskRow(place, len(text), same, None, 0, problem)


def holds_tasks(sources: list[Source]) -> bool:
    """Say whether inputs are tasks: the first line that can be read is a request with neither answer nor reward."""
    for source in sources:
        for span in ranges([source]):
            for _, text in read(span, source.start):
                try:
                    line = decode_line(text)
                except Unusable:
                    continue
                tried = line.response is not None or line.reward is not None or line.failure is not None
                return line.responses_create_params is not None and not tried
    return False


def rows_of(source: Source, engine: Engine) -> list[TaskRow]:
    """The lines of a tasks file."""
    engine.expect(source.size)
    jobs = [Job(span, source.start) for span in ranges([source])]
    return [row for part in engine.map(read_range, jobs) for row in part]


def read_tasks(path: Path, engine: Engine, spool: Path) -> TaskFile:
    """Read a tasks file.

    Raises:
        Fault: it is not there.
    """
    folder = spool / "tasks"
    folder.mkdir(exist_ok=True)
    (source,) = open_sources([path], folder)
    rows = rows_of(source, engine)
    numbers, first, known, seen = [], [], dict[tuple[int, bool], int](), dict[int, int]()
    for line, row in enumerate(rows):
        number = -1
        if row.problem is None or row.problem.step == "conversation":
            # To NeMo Gym the end of a line is part of it: a last line without one is another line.
            ended = row.start + row.size < source.size
            number = row.task if row.task is not None else known.setdefault((row.text, ended), len(known))
        numbers.append(number)
        first.append(seen.setdefault(number, line) if number >= 0 else line)
    return TaskFile(source, rows, numbers, first)


@dataclass
class Chosen:
    """What becomes of the lines of a tasks file: each is useful, useless, not attempted or rejected.

    Useful and useless ones are given by their place in the file, from 0.
    """

    useful: list[int] = field(default_factory=list)
    useless: list[int] = field(default_factory=list)
    unattempted: int = 0
    rejects: list[Reject] = field(default_factory=list)


def choose_tasks(file: TaskFile, state: State, counted: Bits, useful: Bits) -> Chosen:
    """Tell the lines of useful tasks from those whose attempts teach nothing, and from those of no attempt."""
    by_number, by_question = _index(state, np.flatnonzero(counted))
    made = Chosen()

    def reject(line: int, step: str, reason: str) -> None:
        made.rejects.append(Reject(file.source.name, line + 1, step, reason))

    for line, row in enumerate(file.rows):
        if row.problem is not None:
            reject(line, row.problem.step, row.problem.reason)
            continue
        if file.first[line] != line:
            reject(line, "repeated line", f"the same task as line {file.first[line] + 1}")
            continue
        numbered = by_number.get(file.numbers[line])
        tasks = numbered.get(row.question, []) if numbered else []
        tasks = tasks or by_question.get(row.question, [])
        if not tasks and numbered:
            reject(line, "other prompt", "its rollouts answer another prompt: this is not the file that they come from")
        elif not tasks:
            made.unattempted += 1
        elif useful[tasks].any():
            made.useful.append(line)
        else:
            made.useless.append(line)
    if file.source.damage:
        reject(len(file.rows), STEP, file.source.damage)
    return made


def lines_of_tasks(file: TaskFile, state: State, rows: Numbers) -> list[int]:
    """The line of each row's task.

    Raises:
        Fault: the file has no such task, or another question at its number: it is not the file they come from.
    """
    lines: dict[int, list[int]] = {}
    for line, number in enumerate(file.numbers):
        if number >= 0 and file.first[line] == line:
            lines.setdefault(number, []).append(line)
    questions = {row.question: line for line, row in reversed(list(enumerate(file.rows))) if row.problem is None}
    found = []
    numbers, asked = state.column("task")[rows].tolist(), state.column("question")[rows].tolist()
    for row, number, question in zip(rows.tolist(), numbers, asked, strict=True):
        fits = [line for line in lines.get(number, []) if file.rows[line].question == question]
        if number < 0 and question in questions:
            fits = [questions[question]]
        if not fits:
            raise Fault(
                f"{state.table.file_of(row)}, line {state.table.line_of(row)}: {file.source.name} has no task "
                f"{'' if number < 0 else f'{number} '}with this prompt: give the very file that was collected from"
            )
        found.append(fits[0])
    return found


def _index(state: State, rows: Numbers) -> tuple[dict[int, dict[int, list[int]]], dict[int, list[int]]]:
    """The tasks of rollouts: by number and question, and, where they have no number, by question."""
    numbers, questions = state.column("task")[rows], state.column("question")[rows]
    keys = np.stack([numbers, questions.view(np.int64), state.tasks.task[rows]], axis=1)
    by_number: dict[int, dict[int, list[int]]] = {}
    by_question: dict[int, list[int]] = {}
    for number, question, task in np.unique(keys, axis=0).tolist():
        table = by_number.setdefault(number, {}) if number >= 0 else by_question
        table.setdefault(question % (1 << 64), []).append(task)
    return by_number, by_question
