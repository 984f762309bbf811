"""``python -m recipes code --seed 0``: run a recipe, or what is left of it, and keep what it measured."""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
from dataclasses import replace
from pathlib import Path

from harness.environments import ENVIRONMENTS
from recipes import arms, code, math, reasoning, results, summary

#: Each recipe by its name on the command line; `recipes.results.DECIDING` has the downloads of each.
RECIPES = {"code": code.KIND, "math": math.KIND, "reasoning": reasoning.KIND}
#: The class of a recipe whose stages are not just those of `arms.Recipe`, and its arms.
STAGES = {"math": (math.Recipe, arms.ARMS), "reasoning": (reasoning.Recipe, reasoning.ARMS)}
BUILD = results.ROOT / "build" / "recipes"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="nox -s recipes --", description=__doc__)
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--seed", type=int, default=0, help="of tasks, sampling and trainers (default: 0)")
    parser.add_argument("--arm", action="append", help="repeatable; unset, all")
    parser.add_argument("--steps", type=int, help="of GRPO, and so many of SFT in proportion; the result is not kept")
    parser.add_argument("--trial", action="store_true", help="few tasks and steps, to see that it runs; not kept")
    parser.add_argument("--if-stale", action="store_true", help="do nothing where the committed result is still fresh")
    parser.add_argument("--build", type=Path, default=BUILD, help="where the stages are (default: build/recipes)")
    parser.add_argument("--model", type=Path, help="a model's folder in place of the packaged one; not kept")
    options = parser.parse_args(arguments)
    _, known = STAGES.get(options.recipe, (arms.Recipe, arms.ARMS))
    if unknown := set(options.arm or ()) - set(known):
        parser.error(f"no arm {', '.join(sorted(unknown))} in {options.recipe}, which has {', '.join(known)}")
    return options


def settings_of(options: argparse.Namespace) -> arms.Settings:
    """The settings that the command line asks for."""
    kind = RECIPES[options.recipe]
    chosen = kind.trial if options.trial else kind.settings
    if not options.steps:
        return chosen
    share = options.steps / chosen.grpo_steps
    return replace(chosen, grpo_steps=options.steps, continued_steps=max(1, round(chosen.continued_steps * share)))


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit status."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end with the run
    settings = settings_of(options)
    kind = RECIPES[options.recipe]
    kept = settings == kind.settings and options.model is None
    key = results.key_of(options.recipe)
    committed = results.path_of(options.recipe, options.seed)
    if options.if_stale and committed.is_file() and not results.stale(results.read(committed)):
        print(f"{committed.name}: measured with what the project is now")
        return 0
    folder = options.build.resolve() / options.recipe / ("full" if kept else "trial")
    stages, known = STAGES.get(options.recipe, (arms.Recipe, arms.ARMS))
    recipe = stages(kind, folder, key, options.seed, settings, options.model and options.model.resolve())
    found = recipe.run(options.arm or list(known))
    result = {
        "recipe": options.recipe,
        "seed": options.seed,
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "machine": results.machine(),
        "key": key,
        "installed": ENVIRONMENTS["trl"].versions(),
        **found,
    }
    where = results.RESULTS if kept else folder
    path = results.path_of(options.recipe, options.seed, where)
    results.write(path, result)
    summary.write(options.recipe, where)
    for line in summary.lines(list(summary.rows_of([results.read(path)]))):
        print(line)
    print(f"{path}: kept; commit it" if kept else f"{path}: not for the site")
    return 0


if __name__ == "__main__":
    sys.exit(main())
