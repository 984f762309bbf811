"""Means and intervals over tasks and seeds, by the site's own tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gym_rollouts.statistics import interval, pass_at_k

from recipes import results
from recipes.results import Result

#: The comparisons of a recipe: the second is judged against the first.
PAIRS = (
    ("base", "sft"), ("sft", "continued"), ("continued", "second"), ("continued", "grpo"), ("second", "grpo"),
    ("sft", "dense"), ("grpo", "dense"),
)  # fmt: skip
PARTS = ("same", "new")
#: `score` is the verifier's own reward of sampled answers, where it gives more than 0 and 1 and the others count 1.
KINDS = ("greedy", "sampled", "pass@4", "score")


def values(result: Result, arm: str, part: str, kind: str) -> list[float] | None:
    """What a seed measured of each task of a part; None where it did not measure that."""
    if arm not in result["arms"]:
        return None
    if kind == "score" and arm not in result.get("scores", {}):
        return None
    told = result["scores" if kind == "score" else "arms"][arm]
    rewards = told["greedy" if kind == "greedy" else "sampled"]
    chosen = [each for each, (_, has) in zip(rewards, result["tasks"], strict=True) if has == part]
    if not kind.startswith("pass@"):
        return [sum(each) / len(each) for each in chosen]
    wanted = int(kind.partition("@")[2])
    if any(len(each) < wanted for each in chosen):
        return None
    return [pass_at_k(len(each), sum(reward >= 1 for reward in each), wanted) for each in chosen]


def mean_of(seeds: list[Result], arm: str, part: str, kind: str) -> Any:
    """What some seeds measured of each task, as a mean over the seeds; None where one of them lacks it."""
    rows = [values(each, arm, part, kind) for each in seeds]
    return None if not rows or None in rows else np.array(rows, dtype=float).mean(axis=0)


def rows_of(seeds: list[Result]) -> Iterator[dict[str, Any]]:
    """The mean of each arm, and each comparison, over the tasks of some seeds, with their intervals."""
    arms = {arm: None for pair in PAIRS for arm in pair}
    for part in PARTS:
        for kind in KINDS:
            for arm in arms:
                if (one := mean_of(seeds, arm, part, kind)) is not None and len(one):
                    yield {"arm": arm, "part": part, "kind": kind, **bounds(one)}
            for before, after in PAIRS:
                one, other = (mean_of(seeds, arm, part, kind) for arm in (before, after))
                if one is not None and other is not None and len(one):
                    yield {"arm": after, "than": before, "part": part, "kind": kind, **bounds(other - one)}


def bounds(per_task: Any) -> dict[str, float | None]:
    """A mean over tasks, with its interval for other tasks of the kind."""
    numbers = [round(float(each), 4) for each in interval(per_task)]
    return {
        name: None if number != number else number
        for name, number in zip(("mean", "low", "high"), numbers, strict=True)
    }


def summarize(found: list[Result]) -> Result:
    """What all seeds of a recipe come to, together and each by itself."""
    return {
        "recipe": found[0]["recipe"],
        "of": {str(each["seed"]): each["digest"] for each in found},
        "together": list(rows_of(found)),
        "each": {str(each["seed"]): list(rows_of([each])) for each in found},
    }


def write(recipe: str, folder: Path = results.RESULTS) -> Path | None:
    """Write the summary of the seeds that there are; where, or None where there are none."""
    found = results.seeds(recipe, folder)
    path = folder / f"{recipe}.json"
    if found:
        results.write(path, summarize(found))
        return path
    return None


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows as a table for a terminal, in percent."""
    for row in rows:
        name = f"{row['arm']} - {row['than']}" if "than" in row else row["arm"]
        ends = "" if row["low"] is None else f"[{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
        yield f"{row['part']:5} {row['kind']:8} {name:20} {100 * row['mean']:6.1f} {ends}"


if __name__ == "__main__":
    for each in results.DECIDING:
        write(each)
