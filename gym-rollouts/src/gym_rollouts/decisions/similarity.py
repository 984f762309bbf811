"""The steps that hold a task's question against other questions: those of the evaluation set, and earlier ones."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gym_rollouts.decisions import Rejection, State
from gym_rollouts.errors import Fault, Unusable
from gym_rollouts.facts import Numbers
from gym_rollouts.files import open_whole
from gym_rollouts.lines import ranges, read
from gym_rollouts.questions import (
    SAMPLE,
    Question,
    Words,
    bands_of,
    exact_tokens,
    likeness,
    own_runs,
    question_of,
    shared_runs,
    tokens_of,
)
from gym_rollouts.rollouts import decode_line, prompt_of

#: From this share of common runs on two questions are one; and so is one that has so much of the evaluation's.
ALIKE = 0.8
SOME = 1 << 10


@dataclass(frozen=True)
class Job:
    """Lines whose questions are asked for: for each, the number of its source, its place and its size."""

    lines: list[tuple[int, int, int]]
    sources: tuple[str, ...]
    place: str


def read_questions(job: Job) -> None:
    """Write the questions of some lines; one that is no conversation has no runs."""
    found, bounds = list[Question](), [0]
    files = [os.open(source, os.O_RDONLY) for source in job.sources]
    for source, start, size in job.lines:
        question = Question(np.empty(0, np.uint64), 0)
        with suppress(Unusable):  # its own step names it
            params = decode_line(os.pread(files[source], size, start)).responses_create_params
            if params is not None:
                question = question_of(prompt_of(bytes(params.input), params.instructions).messages)
        found.append(question)
        bounds.append(bounds[-1] + len(question.runs))
    for file in files:
        os.close(file)
    np.savez(
        job.place,
        runs=np.concatenate([each.runs for each in found]),
        bounds=np.array(bounds),
        exact=np.array([each.exact for each in found], np.uint64),
    )


@dataclass
class Asked:
    """The different questions that are left: a row for each, its environment, what it says, and its runs on disk."""

    row: Numbers
    name: Words
    environment: Numbers
    exact: Words
    runs: np.ndarray
    bounds: Numbers

    def of(self, number: int) -> Words:
        """The runs of a question."""
        return np.asarray(self.runs[self.bounds[number] : self.bounds[number + 1]])


def asked(state: State) -> Asked:
    """The different questions of the lines that are left, in an order that does not depend on that of the lines."""
    if isinstance(known := state.cache.get("asked"), Asked):
        return known
    rows = np.flatnonzero(state.left)
    table = state.table
    _, environments = table.environments
    question, task, text = (state.column(name)[rows] for name in ("question", "task", "text"))
    numbered = np.where(task < 0, np.iinfo(np.int64).max, task)
    order = np.lexsort((text, numbered, question))
    starts = np.ones(len(order), bool)
    starts[1:] = question[order][1:] != question[order][:-1]
    first = order[starts]
    first = first[np.lexsort((question[first], numbered[first], environments[rows][first]))]
    chosen = rows[first]
    columns = (table.source, table.column("start"), table.column("size"))
    lines = list(zip(*(column[chosen].tolist() for column in columns), strict=True))
    sources = tuple(str(source.path) for source in table.sources)
    places = [str(state.spool / f"questions-{at}.npz") for at in range(0, len(lines), SOME)]
    jobs = [Job(lines[n * SOME : (n + 1) * SOME], sources, place) for n, place in enumerate(places)]
    for _ in state.engine.map(read_questions, jobs):
        pass
    exact, bounds, at = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)], 0
    # The runs of all questions lie on disk: memory holds those that are looked at.
    with (state.spool / "runs").open("wb") as out:
        for place in places:
            with np.load(place) as part:
                out.write(part["runs"].tobytes())
                bounds.append(part["bounds"][1:] + at)
                exact.append(part["exact"])
                at += len(part["runs"])
            Path(place).unlink()
    runs = np.memmap(state.spool / "runs", np.uint64, "r", shape=(at,)) if at else np.empty(0, np.uint64)
    state.cache["asked"] = made = Asked(
        chosen,
        question[first],
        environments[chosen].astype(np.int64),
        np.concatenate(exact),
        runs,
        np.concatenate(bounds),
    )
    return made


def found_for(state: State, questions: Asked, numbers: list[int], reasons: list[str]) -> Rejection:
    """The lines that ask some of the questions, each with the reason of its question."""
    rows = np.flatnonzero(state.left)
    why = dict(zip(questions.name[numbers].tolist(), reasons, strict=True)) if numbers else {}
    column = state.column("question")
    hit = rows[np.isin(column[rows], np.array(sorted(why), np.uint64))]
    return Rejection(hit, lambda row: why[int(column[row])])


def shared_by_environment(questions: Asked) -> dict[int, Words]:
    """What the questions of each environment share."""
    shared = {}
    for environment in np.unique(questions.environment).tolist():
        members = np.flatnonzero(questions.environment == environment)
        # The least digests are a sample that does not depend on the order of the lines.
        some = members[np.argsort(questions.name[members])[:SAMPLE]]
        shared[environment] = shared_runs([questions.of(number) for number in some.tolist()])
    return shared


def similar_task(state: State) -> Rejection:
    """Reject tasks that ask nearly what a task of a lower number asks: with the same numbers and images."""
    questions = asked(state)
    shared = shared_by_environment(questions)
    own = [
        own_runs(questions.of(number), shared[environment])
        for number, environment in enumerate(questions.environment.tolist())
    ]
    known = [number for number, runs in enumerate(own) if len(runs)]
    if not known:
        return Rejection(np.empty(0, np.int64), str)
    bands = np.stack([bands_of(own[number]) for number in known])
    pairs: dict[int, set[int]] = {}
    for column in bands.T:
        order = np.argsort(column, kind="stable")
        band = column[order]
        starts = np.ones(len(order), bool)
        starts[1:] = band[1:] != band[:-1]
        first = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
        # With the first of its bucket only: a million prompts from one template take a million comparisons.
        for one, other in zip(order[~starts].tolist(), first[~starts].tolist(), strict=True):
            pairs.setdefault(known[one], set()).add(known[other])
    like: dict[int, int] = {}
    for number in sorted(pairs):
        for other in sorted(pairs[number]):
            if (
                other not in like  # no chain of small changes is followed
                and questions.exact[number] == questions.exact[other]
                and likeness(own[number], own[other]) >= ALIKE
            ):
                like[number] = other
                break
    table = state.table
    reasons = [
        f"its question is like that of {table.where(int(questions.row[like[n]]), int(questions.row[n]))}" for n in like
    ]
    return found_for(state, questions, list(like), reasons)


@dataclass(frozen=True)
class Evaluation:
    """The questions of evaluation sets: the runs that tell each, and where it stands."""

    runs: list[Words]
    exact: list[frozenset[str]]
    where: list[str]


def read_evaluation(state: State) -> Evaluation:
    """Read the evaluation sets.

    Raises:
        Fault: a line is no task, or there is none, or the file is cut: nothing could be held against what is missing.
    """
    tokens, runs, where = list[list[str]](), list[Words](), list[str]()
    folder = state.spool / "evaluation"
    folder.mkdir()
    for source in open_whole(state.choices.evaluation, folder, "--evaluation"):
        before = len(where)
        lines = (text for span in ranges([source]) for _, text in read(span, source.start))
        for number, text in enumerate(lines, 1):
            try:
                params = decode_line(text).responses_create_params
                if params is None:
                    raise Unusable("evaluation set", "no responses_create_params: this line is no task")
                messages = prompt_of(bytes(params.input), params.instructions).messages
            except Unusable as problem:
                raise Fault(f"{source.name}, line {number}: {problem.reason}: remove or mend the line") from None
            tokens.append(tokens_of(messages))
            runs.append(question_of(messages).runs)
            where.append(f"line {number} of {source.name}")
        if len(where) == before:
            raise Fault(f"--evaluation {source.name}: has no task, so that nothing could be like it. Name another file")
    shared = shared_runs(runs)
    return Evaluation(
        [own_runs(each, shared) for each in runs], [frozenset(exact_tokens(each)) for each in tokens], where
    )


def evaluation_set(state: State) -> Rejection:
    """Reject tasks that contain a question of the evaluation set, whatever stands around it."""
    if not state.choices.evaluation:
        return Rejection(np.empty(0, np.int64), str)
    evaluation = read_evaluation(state)
    owner = np.repeat(np.arange(len(evaluation.runs)), [len(each) for each in evaluation.runs])
    every = np.concatenate([np.empty(0, np.uint64), *evaluation.runs])
    order = np.argsort(every, kind="stable")
    every, owner = every[order], owner[order]
    sizes = np.array([max(len(each), 1) for each in evaluation.runs])
    questions = asked(state)
    numbers, reasons = [], []
    for number in range(len(questions.row)):
        runs = questions.of(number)
        low, high = np.searchsorted(every, runs, "left"), np.searchsorted(every, runs, "right")
        if not (high > low).any():
            continue
        hits = np.concatenate([owner[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True) if b > a])
        shares = np.bincount(hits, minlength=len(sizes)) / sizes
        for best in np.flatnonzero(shares >= ALIKE - 1e-9).tolist():
            if evaluation.exact[best] <= exact_of(state, int(questions.row[number])):
                numbers.append(number)
                reasons.append(f"its prompt has {shares[best]:.0%} of the question of {evaluation.where[best]}")
                break
    return found_for(state, questions, numbers, reasons)


def exact_of(state: State, row: int) -> frozenset[str]:
    """The numbers and images of a row's question."""
    table = state.table
    source = table.sources[int(table.source[row])]
    with source.path.open("rb") as file:
        file.seek(int(table.column("start")[row]))
        line = decode_line(file.read(int(table.column("size")[row])))
    params = line.responses_create_params
    assert params is not None
    return frozenset(exact_tokens(tokens_of(prompt_of(bytes(params.input), params.instructions).messages)))
