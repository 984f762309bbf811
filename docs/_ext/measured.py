"""``{recipe-table} code``, ``{recipe-differences} code``, ``{recipe-curve} code grpo reward``: what a recipe measured.

``{recipe-unsolved} code`` names the kinds of tasks of which an arm solves none.
``{recipe-overview} math code`` has a row for each recipe that was measured.
``{recipe-curve} reasoning dense score, exact`` draws several figures, each as the mean of all seeds.

It is drawn from the files that ``nox -s recipes`` writes into ``docs/_data/recipes``; one that somebody changed
by hand stops the build. Where the recipe, its model or a version is another one by now, the table says it is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from docutils import nodes
from markdown_tables import markdown_table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from recipes import results

ARMS = {
    "base": "the model as it comes",
    "sft": "SFT on its own verified answers",
    "continued": "SFT continued, at the cost of GRPO",
    "second": "second round of rejection sampling",
    "grpo": "GRPO",
    "dense": "GRPO on partial credit",
}
#: The same where two of them stand in a cell.
SHORT = ARMS | {"sft": "SFT", "continued": "SFT continued", "second": "second round"}
#: Of each arm the stages that train it, after those of the arm that it starts from.
STAGES = {
    "base": (),
    "sft": ("rollouts", "sft"),
    "continued": ("continued",),
    "second": ("second-rollouts", "second"),
    "grpo": ("profile", "grpo"),
    "dense": ("dense",),
}
PARTS = {"same": "the training templates", "new": "new templates"}
KINDS = ("greedy", "sampled", "pass@4", "score")
#: The comparison that tells what the rewards of GRPO add to more training.
MAIN = ("grpo", "continued")
NONE = "No run of this recipe is committed yet, so there is no measured row."

#: Of a comparison the arm, the one that it is held against, the part of the tasks, and the kind of answers.
Key = tuple[str, str, str, str]


def folder() -> Path:
    """Where the results are."""
    return results.RESULTS


def percent(row: dict[str, Any], sign: str = "", gap: str = "\u00a0") -> str:
    """A mean with its interval, in percent; a line ends within the interval only where the gap is a plain space."""
    said = f"{100 * row['mean']:{sign}.1f}"
    return said if row["low"] is None else f"{said} [{100 * row['low']:{sign}.1f},{gap}{100 * row['high']:{sign}.1f}]"


def caption(found: list[results.Result]) -> str:
    """What was measured, with what, where and when; and whether it is stale."""
    newest = max(found, key=lambda result: result["date"])
    seeds = f"seed{'s' if len(found) > 1 else ''} " + ", ".join(str(result["seed"]) for result in found)
    counts = {name: sum(part == name for _, part in newest["tasks"]) for name in PARTS}
    held_out = " and ".join(f"{count} held-out tasks of {PARTS[name]}" for name, count in counts.items() if count)
    key = newest["key"]
    said = (
        f"**Measured here**, {seeds}, {newest['date']}, {newest['machine']}: {held_out}; torch {key['torch']}, "
        f"transformers {key['transformers']}, TRL {key['trl']}, NeMo Gym {key['nemo-gym']}. Percent, with the 95% "
        "interval over tasks."
    )
    if differs := sorted({name for result in found for name in results.stale(result)}):
        since = results.changed_since(newest["recipe"])
        said += f" **Stale{f' since {since}' if since else ''}**: {', '.join(differs)} changed after the run."
    return said


def table_lines(recipe: str) -> Iterator[str]:
    """The table of arms, as Markdown.

    Raises:
        results.ChangedByHand: a file is not what a run wrote.
    """
    found = results.seeds(recipe, folder())
    if not found:
        yield NONE
        return
    rows = results.read(folder() / f"{recipe}.json")["together"]
    said = {(row["arm"], row["part"], row["kind"]): row for row in rows if "than" not in row}
    yield caption(found)
    yield ""
    parts = [part for part in PARTS if any(has == part for _, has, _ in said)]
    for part in parts:
        if len(parts) > 1:
            yield f"On tasks of {PARTS[part]}:"
            yield ""
        costs = part == parts[0]  # said once
        kinds = [kind for kind in KINDS if any((arm, part, kind) in said for arm in ARMS)]
        heads = ["arm", *(["steps", "minutes", "peak memory"] if costs else []), *kinds]
        cells = []
        for arm, name in ARMS.items():
            if any((arm, part, kind) in said for kind in kinds):
                shares = [percent(said[arm, part, kind]) if (arm, part, kind) in said else "" for kind in kinds]
                cells.append([name, *(cost_of(found, arm) if costs else ()), *shares])
        yield from markdown_table(heads, cells)
        yield ""


def cost_of(found: list[results.Result], arm: str) -> tuple[str, str, str]:
    """The steps of an arm, and what it cost beyond the arm that it starts from, as a mean over seeds."""
    stages = [[result["stages"][name] for name in STAGES[arm] if name in result["stages"]] for result in found]
    steps = {each["steps"] for seed in stages for each in seed if "steps" in each}
    minutes = sum(each["seconds"] for seed in stages for each in seed) / 60 / len(found)
    peak = max((each["peak_mb"] for seed in stages for each in seed if "peak_mb" in each), default=0)
    if not any(stages):
        return "", "", ""
    return ", ".join(map(str, sorted(steps))), f"{minutes:.0f}", f"{peak / 1000:.1f} GB" if peak else ""


def difference_lines(recipe: str) -> Iterator[str]:
    """The comparisons over all seeds, then GRPO against SFT at its cost seed by seed, as Markdown.

    Raises:
        results.ChangedByHand: a file is not what a run wrote.
    """
    if not results.seeds(recipe, folder()):
        yield NONE
        return
    summary = results.read(folder() / f"{recipe}.json")
    compared = {row_key(row): row for row in summary["together"] if "than" in row}
    parts = [part for part in PARTS if any(has == part for *_, has, _ in compared)]
    kinds = [kind for kind in KINDS if any(has == kind for *_, has in compared)]

    def table(title: str, rows: dict[str, tuple[dict[Key, dict[str, Any]], str, str]]) -> Iterator[str]:
        heads = [title, *(["tasks"] if len(parts) > 1 else []), *kinds]
        cells = []
        for part in parts:
            for name, (values, arm, than) in rows.items():
                told = [difference(values.get((arm, than, part, kind))) for kind in kinds]
                if any(told):
                    cells.append([name, *([PARTS[part]] if len(parts) > 1 else []), *told])
        yield from markdown_table(heads, cells)
        yield ""

    pairs = dict.fromkeys((arm, than) for arm, than, *_ in compared)
    titles = {(arm, than): f"{SHORT[arm]} minus {SHORT[than]}" for arm, than in pairs}
    yield from table("difference in points", {title: (compared, *pair) for pair, title in titles.items()})
    if MAIN in pairs and len(summary["each"]) > 1:
        each = {
            f"seed {seed}": ({row_key(row): row for row in rows if "than" in row}, *MAIN)
            for seed, rows in summary["each"].items()
        }
        yield f"{titles[MAIN]}, seed by seed:"
        yield ""
        yield from table("seed", each)
    yield "**Bold**: the whole interval is on one side of 0. Elsewhere these tasks do not tell which arm is better."


def row_key(row: dict[str, Any]) -> Key:
    """What a row compares."""
    return row["arm"], row["than"], row["part"], row["kind"]


def difference(row: dict[str, Any] | None) -> str:
    """A difference with its interval, in points; bold where 0 is not in it."""
    if row is None:
        return ""
    said = percent(row, "+")
    return f"**{said}**" if row["low"] is not None and (row["low"] > 0 or row["high"] < 0) else said


def unsolved_lines(recipe: str) -> Iterator[str]:
    """Of which kinds of tasks each arm solves none by its likeliest answers, as Markdown, a column for each part.

    Raises:
        results.ChangedByHand: a file is not what a run wrote.
    """
    found = results.seeds(recipe, folder())
    if not found:
        yield NONE
        return
    parts = [part for part in PARTS if any(has == part for _, has in found[0]["tasks"])]
    arms = {arm: name for arm, name in SHORT.items() if all(arm in result["arms"] for result in found)}
    cells = [[name, *(unsolved(found, arm, part) for part in parts)] for arm, name in arms.items()]
    yield from markdown_table(["arm", *(PARTS[part] for part in parts)], cells)


def unsolved(found: list[results.Result], arm: str, part: str) -> str:
    """The kinds of tasks of a part of which an arm solves none on any seed."""
    best: dict[str, float] = {}
    for result in found:
        for rewards, (kind, has) in zip(result["arms"][arm]["greedy"], result["tasks"], strict=True):
            if has == part:
                best[kind] = max(best.get(kind, 0), *rewards)
    never = sorted(kind for kind, reward in best.items() if reward < 1)
    return f"{len(never)} of {len(best)}" + (f": {', '.join(never)}" if never else "")


def overview_lines(recipes: str) -> Iterator[str]:
    """A row for each recipe that was measured, as Markdown: what it started from, came to and cost.

    Raises:
        results.ChangedByHand: a file is not what a run wrote.
    """
    measured = {name: found for name in recipes.split() if (found := results.seeds(name, folder()))}
    if not measured:
        yield "No run of a recipe is committed yet, so there is no measured row."
        return
    heads = ["recipe", "seeds", "before", "after SFT", "after GRPO"]
    heads += ["GRPO minus SFT continued", "minutes", "peak memory"]
    cells = []
    for name, found in measured.items():
        rows = [
            row
            for row in results.read(folder() / f"{name}.json")["together"]
            if (row["part"], row["kind"]) == ("same", "greedy")
        ]
        # Its columns are too many for intervals on one line.
        means = {row["arm"]: percent(row, gap=" ") for row in rows if "than" not in row}
        gains = [percent(row, "+", " ") for row in rows if (row["arm"], row.get("than")) == ("grpo", "continued")]
        costs = [cost_of(found, arm) for arm in ("sft", "grpo")]
        minutes = sum(int(cost[1] or 0) for cost in costs)
        peak = max((cost[2] for cost in costs), key=lambda cost: float(cost.split()[0]) if cost else 0)
        arms = [means.get(arm, "") for arm in ("base", "sft", "grpo")]
        seeds = ", ".join(f"{result['seed']}" for result in found)
        told = [arms[0] or "random weights", *arms[1:], *(gains or [""])]
        cells.append([name.capitalize(), seeds, *told, f"{minutes}", peak])
    yield from markdown_table(heads, cells)


# ------------------------------------------------------------------------------------------------- curves

WIDE, HIGH, LEFT, FOOT = 640, 220, 44, 34
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


def curves_of(recipe: str, stage: str, figure: str) -> dict[str, list[float]]:
    """A figure of a stage, step by step, for each seed that has it; of several, each as a mean of the seeds."""
    logs = {each["seed"]: each["curves"].get(stage, {}) for each in results.seeds(recipe, folder())}
    figures = figure.split(", ")
    if len(figures) == 1:
        return {f"seed {seed}": log[figure] for seed, log in logs.items() if log.get(figure)}
    rows = {name: [log[name] for log in logs.values() if log.get(name)] for name in figures}
    return {name: [mean(each) for each in zip(*points, strict=False)] for name, points in rows.items() if points}


def drawing(curves: dict[str, list[float]], figure: str) -> str:
    """Curves as SVG, with its axes named and each curve in the legend."""
    top = max(1.0, *(max(points) for points in curves.values()))
    longest = max(2, *(len(points) for points in curves.values()))
    across, up = WIDE - LEFT - 10, HIGH - FOOT - 10

    def place(step: int, value: float) -> str:
        return f"{LEFT + across * step / (longest - 1):.1f},{10 + up * (1 - value / top):.1f}"

    parts = [f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{label(curves, figure)}" class="recipe-curve">']
    parts.append('<g fill="none" stroke="currentColor" stroke-opacity="0.4">')
    parts.append(f'<path d="M{LEFT},10 V{10 + up} H{LEFT + across}"/></g>')
    parts.append('<g fill="currentColor" font-size="12">')
    for share in (0, 0.5, 1):
        parts.append(f'<text x="{LEFT - 6}" y="{14 + up * (1 - share):.0f}" text-anchor="end">{top * share:.2g}</text>')
    parts.append(f'<text x="{LEFT}" y="{HIGH - 4}">step 1</text>')
    parts.append(f'<text x="{LEFT + across}" y="{HIGH - 4}" text-anchor="end">step {longest}</text>')
    for at, (name, points) in enumerate(curves.items()):
        color = COLORS[at % len(COLORS)]
        drawn = " ".join(place(step, value) for step, value in enumerate(points))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 90 + 90 * at}" y="{HIGH - 4}" fill="{color}">{name}</text>')
    return "".join(parts) + "</g></svg>"


def label(curves: dict[str, list[float]], figure: str) -> str:
    """What curves show, in words."""
    if len(figure.split(", ")) > 1:
        figure = "mean of all seeds"
    ends = "; ".join(f"{name} from {points[0]:.2f} to {points[-1]:.2f}" for name, points in curves.items())
    return f"{figure} of each step: {ends}"


def curve_lines(argument: str) -> Iterator[str]:
    """The curves in words, for the page's Markdown twin."""
    recipe, stage, *figure = argument.split()
    curves = curves_of(recipe, stage, " ".join(figure))
    yield f"({label(curves, ' '.join(figure))})" if curves else NONE


def in_twin(lines: Callable[[str], Iterator[str]]) -> Callable[[str], Iterator[str]]:
    """Lines for the page's Markdown twin, where a file that was changed has stopped the page's build already."""

    def written(argument: str) -> Iterator[str]:
        try:
            yield from lines(argument)
        except results.ChangedByHand as changed:
            yield f"({changed})"

    return written


# --------------------------------------------------------------------------------------------- directives


class Lines(SphinxDirective):
    """A table of a recipe, or of several, which are the argument."""

    required_arguments = 1
    has_content = False
    write: Callable[[str], Iterator[str]]

    def run(self) -> list[nodes.Node]:
        for recipe in self.arguments[0].split():
            note_all(self, recipe)
        try:
            return self.parse_text_to_nodes("\n".join(type(self).write(self.arguments[0])))
        except results.ChangedByHand as changed:
            raise self.error(str(changed)) from None


class RecipeTable(Lines):
    """What each arm came to, and what it cost."""

    write = staticmethod(table_lines)


class RecipeOverview(Lines):
    """What each of some recipes came to."""

    final_argument_whitespace = True
    write = staticmethod(overview_lines)


class RecipeDifferences(Lines):
    """How arms differ, task by task."""

    write = staticmethod(difference_lines)


class RecipeUnsolved(Lines):
    """Of which kinds of tasks each arm solves none."""

    write = staticmethod(unsolved_lines)


class RecipeCurve(SphinxDirective):
    """A figure of each training step: the recipe, the stage, and the figure."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = False

    def run(self) -> list[nodes.Node]:
        recipe, stage, *figure = self.arguments[0].split()
        note_all(self, recipe)
        try:
            curves = curves_of(recipe, stage, " ".join(figure))
        except results.ChangedByHand as changed:
            raise self.error(str(changed)) from None
        if not curves:
            return self.parse_text_to_nodes(NONE)
        words = nodes.caption("", f"{label(curves, ' '.join(figure)).capitalize()}.")
        return [nodes.figure("", nodes.raw("", drawing(curves, " ".join(figure)), format="html"), words)]


def note_all(directive: SphinxDirective, recipe: str) -> None:
    """Have the page built again where a result changes, or what decides whether it is stale."""
    locks = [results.ROOT / "locks" / f"{name}.txt" for name in ("tests", "trl")]
    for path in [*folder().glob("*.json"), *results.deciding(recipe), *locks]:
        directive.env.note_dependency(str(path))


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("recipe-table", RecipeTable)
    app.add_directive("recipe-overview", RecipeOverview)
    app.add_directive("recipe-differences", RecipeDifferences)
    app.add_directive("recipe-unsolved", RecipeUnsolved)
    app.add_directive("recipe-curve", RecipeCurve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
