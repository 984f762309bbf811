"""Measure `gym-rollouts` on the quality of many rows, beside `benchmarks.quality_loop`.

``python -m benchmarks.quality --rows 1000000`` is to filtering, measuring and balancing what `benchmarks.data` is to
the files of a trainer: the same rows, the same measures, the same columns. The loop tells answers and near-duplicates
apart by rules of its own, and draws otherwise: it is compared by how many lines each step leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.data import ROOT, compared, lines_in, machine, make_rows, measure

RECORD = ROOT / "docs" / "_data" / "bench-quality.json"

#: What is measured: a name, the page's script and its options. Each step reads what those before it left.
SFT = ("--for", "sft", "--low", "0.1", "--high", "0.9", "--kept", "kept.jsonl", "--rejects", "rejects.jsonl")
STEPS = {
    "filter": ("filter.py", "{source}", *SFT, "--without", "evaluation set", "similar task"),
    "filter, near-duplicates too": ("filter.py", "{source}", *SFT, "--without", "evaluation set"),
    "metrics": ("metrics.py", "{source}", "--output", "metrics.json"),
    "balance": (
        *("balance.py", "kept.jsonl", "--profile", "{profile}", "--validation", "0.1", "--per-task", "2"),
        *("--weight", "hard=2", "--train", "train.jsonl", "--held-out", "validation.jsonl"),
    ),
}

#: The tool's command for each step.
FILTER = (*("{source}", *SFT), "--without", "evaluation set")
COMMANDS = {
    "filter": ("filter", *FILTER, "--without", "similar task"),
    "filter, near-duplicates too": ("filter", *FILTER),
    "metrics": ("metrics", "{source}", "--json"),
    "balance": ("balance", *STEPS["balance"][1:], "--short", "200", "--rejects", "unbalanced.jsonl"),
}


def make_profile(source: Path, target: Path) -> None:
    """What `gym eval profile` would say of each task, as far as the pages read it."""
    rewards: dict[int, list[float]] = {}
    with source.open("rb") as lines:
        for line in lines:
            try:
                row = json.loads(line)
                rewards.setdefault(row["_ng_task_index"], []).append(row["reward"])
            except (ValueError, KeyError):
                continue
    with target.open("w", encoding="utf-8") as out:
        for task, values in sorted(rewards.items()):
            valid = [value for value in values if value == value]
            out.write(json.dumps({"_ng_task_index": task, "mean/reward": sum(valid) / max(len(valid), 1)}) + "\n")


def unequal_counts(ours: Path, theirs: Path, slack: float = 0.02) -> Iterator[str]:
    """Where the two left numbers of lines that are further apart than their rules explain."""
    for path in sorted(theirs.glob("*.jsonl")):
        one, other = (sum(1 for _ in lines_in([folder / path.name])) for folder in (ours, theirs))
        if abs(one - other) > slack * max(one, other, 1) + 5:
            yield f"{path.name}: {one:,} and {other:,} lines"


def bench(rows: int, seed: int, directory: Path) -> dict[str, Any]:
    """Measure every step on `rows` rows made from `seed`.

    Raises:
        SystemExit: the two leave numbers of lines that no rule explains.
    """
    source, profile = (directory / name for name in ("rollouts.jsonl", "profile.jsonl"))
    make_rows(source, rows, seed)
    make_profile(source, profile)
    folders = directory / "tool", directory / "loop"
    for folder in folders:
        folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    steps = []
    for name, (script, *options) in STEPS.items():
        options = [option.format(source=source, profile=profile) for option in options]
        command, *own = (option.format(source=source, profile=profile) for option in COMMANDS[name])
        ours = measure([sys.executable, "-m", "gym_rollouts", command, *own, "--quiet"], folders[0], environment)
        loop_command = [sys.executable, str(ROOT / "benchmarks" / "quality_loop.py"), script, *options]
        loop = measure(loop_command, folders[1], environment)
        if found := list(unequal_counts(*folders)):
            raise SystemExit(f"{name}: the tool and the loop differ: {'; '.join(found)}")
        steps.append(compared(name, rows, ours, loop))
    return {"rows": rows, "bytes": source.stat().st_size, "seed": seed, "steps": steps}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file that is made")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes another file")
    parser.add_argument("--quick", action="store_true", help="20,000 rows: see that it works")
    parser.add_argument("--record", action="store_true", help="keep the result")
    parser.add_argument("--directory", type=Path, help="where the files go; needs about three times the rows' size")
    options = parser.parse_args()
    rows = 20_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as directory:
        result = machine() | bench(rows, options.seed, Path(directory))
    if options.record:
        kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else []
        kept = sorted([*(each for each in kept if each["rows"] != rows), result], key=lambda each: each["rows"])
        RECORD.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
