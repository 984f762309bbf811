"""The steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gym_rollouts.decisions import Rejection, State, Step
from gym_rollouts.decisions.similarity import evaluation_set, similar_task
from gym_rollouts.decisions.thresholds import at_least
from gym_rollouts.facts import ANSWERED, MASKED, OBJECTS, PROBLEMS, Bits
from gym_rollouts.identity import grouped


def problem(name: str) -> Step:
    """The step that rejects lines that could not be read, for one of PROBLEMS."""

    def step(state: State) -> Rejection:
        rows = state.rows(state.column("step") == PROBLEMS.index(name))
        return Rejection(rows, lambda row: state.table.note(row, "note"))

    return step


def noted(column: str) -> Step:
    """The step that rejects lines with a note."""

    def step(state: State) -> Rejection:
        return Rejection(state.rows(state.column(column) >= 0), lambda row: state.table.note(row, column))

    return step


def simple(mask: Callable[[State], Bits], reason: Callable[[State, int], str]) -> Step:
    """The step that rejects the lines of a mask."""

    def step(state: State) -> Rejection:
        return Rejection(state.rows(mask(state)), lambda row: reason(state, row))

    return step


def repeated_line(state: State) -> Rejection:
    """Reject a second line of the same attempt, and all lines of an attempt that contradict each other."""
    tasks, table = state.tasks, state.table

    def reason(row: int) -> str:
        other = table.where(int(tasks.instead[row]), row)
        if tasks.contradict[row]:
            return f"contradicts {other}: the same task and attempt with another reward"
        return f"the same task and attempt as {other}"

    repeats = tasks.repeats
    if state.choices.copies:
        text, source, instead = state.column("text"), table.source, tasks.instead
        # A line that stands again in its own file, byte by byte: somebody wrote it twice on purpose.
        repeats = repeats & ~(~tasks.contradict & (source == source[instead]) & (text == text[instead]))
    return Rejection(state.rows(repeats), reason)


def pass_rate(state: State) -> Rejection:
    """Reject the attempts at tasks that are solved too rarely or too often."""
    rows, task = np.flatnonzero(state.left), state.tasks.task
    solved = at_least(state.column("reward")[rows], state.choices.solved)
    attempts = np.bincount(task[rows], minlength=state.tasks.count)
    wins = np.bincount(task[rows], weights=solved, minlength=state.tasks.count)
    rates = wins / np.maximum(attempts, 1)
    low, high = state.choices.low, np.array(state.choices.high)
    outside = ~(at_least(rates, low) & at_least(high, rates))

    def reason(row: int) -> str:
        each = task[row]
        return f"{int(wins[each])} of {attempts[each]} attempts solve its task"

    return Rejection(rows[outside[task[rows]]], reason)


def same_answer(state: State) -> Rejection:
    """Reject an answer that another attempt at the task gave: of equal ones the first attempt stays."""
    rows, task = np.flatnonzero(state.left), state.tasks.task
    answer, rollout, text = (state.column(name)[rows] for name in ("answer", "rollout", "text"))
    order = np.lexsort((rows, text, rollout, answer, task[rows]))
    _, starts = grouped(answer[order], task[rows][order], presorted=True)
    order = rows[order]
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))] if len(order) else order
    instead = dict(zip(order[~starts].tolist(), first[~starts].tolist(), strict=True))
    return Rejection(np.sort(order[~starts]), lambda row: f"the same answer as {state.table.where(instead[row], row)}")


def flagged(state: State, flag: int) -> Bits:
    """The rows that have a flag."""
    return np.asarray(state.column("flags") & flag != 0)


#: The steps, in the order in which they are taken. Those up to the pass rate look at the measurement and the task.
STEPS: dict[str, Step] = {
    "blank": problem("blank"),
    "unreadable": problem("unreadable"),
    "failed": problem("failed"),
    "masked": simple(
        lambda state: flagged(state, MASKED), lambda *_: "mask_sample is true: its reward says nothing of the model"
    ),
    "repeated line": repeated_line,
    "evaluation set": evaluation_set,
    "similar task": similar_task,
    "pass rate": pass_rate,
    "no answer": simple(
        lambda state: ~flagged(state, ANSWERED) | (state.column("unfit_step") == PROBLEMS.index("no answer")),
        lambda *_: "the output does not end with an answer or a call of the model",
    ),
    "truncated": noted("cut"),
    "too long": simple(
        lambda state: state.column("length") > (state.choices.longest or np.inf),
        lambda state, row: f"{state.column('length')[row]} characters",
    ),
    "tool call": noted("bad_call"),
    "low reward": simple(
        lambda state: ~at_least(state.column("reward"), state.choices.solved),
        lambda state, row: f"a reward of {state.column('reward')[row]:.6g}",
    ),
    "same answer": same_answer,
    "conversation": simple(
        lambda state: (state.column("unfit") >= 0) & (state.column("unfit_step") != PROBLEMS.index("no answer")),
        lambda state, row: state.table.note(row, "unfit"),
    ),
    "arguments": simple(
        lambda state: np.asarray(state.choices.objects & ~flagged(state, OBJECTS)),
        lambda *_: "the arguments of a call are no JSON object, which --arguments object asks for",
    ),
}
#: What tells whether a line is a measured attempt at all.
MEASURED = ("blank", "unreadable", "failed", "masked", "repeated line")
TASKS = (*MEASURED, "evaluation set", "similar task", "pass rate")
#: Steps that only report, unless rejecting is asked for: what is alike is for people to say.
REPORTING = ("evaluation set", "similar task")
#: What each kind of training takes. An attempt that was cut off or that called a tool wrongly is no example to imitate,
#: but it counts in its task's pass rate, since that is how the model does. A wrong call may be the worse of a pair.
PURPOSES: dict[str, tuple[str, ...]] = {
    "sft": (*TASKS, "no answer", "truncated", "too long", "tool call", "low reward", "same answer", "conversation"),
    "dpo": (*TASKS, "no answer", "truncated", "too long", "same answer", "conversation"),
    "rl": TASKS,
}
