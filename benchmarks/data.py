"""Measure `gym-rollouts` on many rows, beside `benchmarks.data_loop`, one pass with `json.loads`.

``python -m benchmarks.data --rows 1000000`` makes a seeded file of rollouts, runs both on it for each of `STEPS`,
compares what they wrote, prints a table and, with ``--record``, writes it where the page reads it. Rates are rows
read in a second; memory is the most that the whole process tree held at once (sum of resident sizes, sampled). The
tool writes a shard on each core. "All of it" is two commands; the second takes what the first kept of each line.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from harness.pages import page_at

ROOT = Path(__file__).parent.parent
PAGE = "training/datasets/prepare-for-training"
RECORD = ROOT / "docs" / "_data" / "bench-data.json"
ATTEMPTS = 8
CHUNK = 4_000  # tasks made by one call

#: What is measured: a name, and the options of the page's command line.
STEPS = {
    "filter": [],
    "metrics": ["--metrics", "metrics.jsonl"],
    "balance": ["--sft", "sft.jsonl", "--per-task", "2"],
    "pairs": ["--preference", "preference.jsonl", "--pairs-per-task", "2"],
    "SFT conversion": ["--sft", "sft.jsonl"],
    "all of it": [
        *("--metrics", "metrics.jsonl", "--sft", "sft.jsonl", "--preference", "preference.jsonl"),
        *("--pairs-per-task", "2"),
    ],
}  # fmt: skip

#: The tool's commands for each step, with its options behind the file of rollouts.
SHARDS = ("--shards", str(os.cpu_count()), "--rejects", "rejects.jsonl")
MEASURED = ("--for", "dpo", "--without", "similar task", "--without", "evaluation set", "--without", "pass rate")
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "filter": [
        ("filter", *MEASURED, "--without", "truncated", "--without", "same answer", "--without", "too long",
         "--kept", "kept.lines.jsonl", "--rejects", "rejects.jsonl"),
    ],
    "metrics": [("metrics", "--tasks", "tasks.jsonl")],
    "balance": [("prepare", *STEPS["balance"], *SHARDS)],
    "pairs": [("prepare", *STEPS["pairs"], *SHARDS)],
    "SFT conversion": [("prepare", *STEPS["SFT conversion"], *SHARDS)],
    "all of it": [
        ("metrics", "--tasks", "tasks.jsonl", "--facts", "facts"),
        ("prepare", *STEPS["all of it"][2:], *SHARDS, "--facts", "facts"),
    ],
}  # fmt: skip
#: What the loop writes and the tool does not write alike: it counts an attempt without an answer, as NeMo Gym does.
NOT_COMPARED = {"metrics": ("metrics.jsonl", "rejects.jsonl"), "all of it": ("metrics.jsonl",)}

# ------------------------------------------------------------------------------------------ the rows

TOPICS = ("order", "invoice", "meeting", "customer", "shipment", "report", "account", "project")
NULLS_OF_A_REQUEST = dict.fromkeys(
    [
        "background",
        "include",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "model",
        "previous_response_id",
        "prompt",
        "reasoning",
        "service_tier",
        "store",
        "context_management",
        "conversation",
        "text",
        "top_logprobs",
    ]
)
NULLS_OF_A_RESPONSE = dict.fromkeys(
    [
        "error",
        "incomplete_details",
        "instructions",
        "background",
        "completed_at",
        "max_output_tokens",
        "moderation",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "user",
    ]
)
TOOLS = [
    {
        "name": f"{topic}_search",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": f"Words of the {topic}"}},
            "required": ["query"],
        },
        "strict": False,
        "type": "function",
        "description": f"Finds every {topic} whose text holds all words.",
    }
    for topic in TOPICS[:2]
]


def prose(rng: random.Random, words: int) -> str:
    """Some words."""
    return " ".join(rng.choices(TOPICS, k=words)).capitalize() + "."


def row(rng: random.Random, task: int, attempt: int, skill: float) -> dict[str, Any]:
    """One rollout in NeMo Gym 0.7.0's form, about 3 KB: a choice, or, for every second task, two tool calls."""
    right = rng.random() < skill
    asked = random.Random(task)
    prompt = [
        {"content": prose(asked, 30), "role": "system", "type": "message", "phase": None},
        {
            "content": f"Task {task}: {prose(asked, 60)} \u00bfS\u00ed?",
            "role": "user",
            "type": "message",
            "phase": None,
        },
    ]
    output: list[dict[str, Any]] = [
        {
            "id": f"rs_{rng.getrandbits(128):032x}",
            "summary": [{"text": prose(rng, rng.randint(20, 120)), "type": "summary_text"}],
            "type": "reasoning",
            "encrypted_content": None,
            "content": None,
        }
    ]
    tools = TOOLS if task % 2 else []
    for turn in range(2 if tools else 0):
        call = f"call_{rng.getrandbits(64):016x}"
        arguments = json.dumps({"query": prose(rng, 3)})
        given = {"name": tools[turn]["name"], "arguments": arguments, "call_id": call, "namespace": None}
        output.append(given | {"type": "function_call", "id": call, "status": "completed"})
        result = {"call_id": call, "output": json.dumps({"found": prose(rng, 12)}), "type": "function_call_output"}
        output.append(result | {"id": None, "status": None})
    text = {"annotations": [], "text": f"{prose(rng, 12)} \\boxed{{{'A' if right else 'B'}}}", "type": "output_text"}
    message = {"id": f"msg_{rng.getrandbits(128):032x}", "content": [text | {"logprobs": None}], "role": "assistant"}
    output.append(message | {"status": "completed", "type": "message", "phase": None})
    shared = {"parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": tools, "top_p": None}
    metadata = {"extra_body": json.dumps({"seed": attempt})}
    response = {"id": f"resp_{rng.getrandbits(128):032x}", "created_at": 0.0, "model": "practice", "object": "response"}
    return {
        "responses_create_params": NULLS_OF_A_REQUEST | shared | {"input": prompt, "metadata": metadata},
        "response": NULLS_OF_A_RESPONSE | response | shared | {"output": output, "status": "completed"},
        "reward": float(right),
        "mask_sample": False,
        "failure_kind": None,
        "failure_reason": None,
        "expected_answer": "A",
        "_ng_task_index": task,
        "_ng_rollout_index": attempt,
        "agent_ref": {"name": "bench_simple_agent"},
        "_ng_result_type": "verify_response",
    }


def lines_of(seed: int, first: int, tasks: int) -> bytes:
    """The rollouts of some tasks as lines, in an order such as attempts end in; one in 500 is bad in some way."""
    rng = random.Random(f"{seed}|{first}")
    made: list[tuple[float, bytes]] = []
    for task in range(first, first + tasks):
        skill = rng.random()
        for attempt in range(ATTEMPTS):
            line = json.dumps(bad(rng, row(rng, task, attempt, skill)), ensure_ascii=False).encode()
            if rng.random() < 0.0003:  # a line that is there twice
                made.append((task + rng.random() * 4, line + b"\n"))
            if rng.random() < 0.0005:
                line = line[: rng.randrange(1, len(line))]
            made.append((task + rng.random() * 4, line + b"\n"))
    return b"".join(line for _, line in sorted(made))


def bad(rng: random.Random, made: dict[str, Any]) -> dict[str, Any]:
    """The row, or, now and then, one that must be rejected."""
    fault = rng.randrange(4_000)
    if fault == 0:
        made["reward"] = float("nan")
    elif fault == 1:
        made["response"]["output"] = []
    elif fault == 2:
        made["mask_sample"] = True
    elif fault == 3:
        del made["reward"]
    return made


def make_rows(path: Path, rows: int, seed: int) -> None:
    """Write a file of rollouts."""
    tasks = rows // ATTEMPTS
    starts = range(0, tasks, CHUNK)
    sizes = [min(CHUNK, tasks - start) for start in starts]
    with path.open("wb") as out, ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for start in range(0, len(starts), 8):  # a few chunks at a time: they must not pile up in memory
            some = slice(start, start + 8)
            out.writelines(pool.map(lines_of, [seed] * 8, starts[some], sizes[some]))


# --------------------------------------------------------------------------------------- the measuring


@dataclass(frozen=True)
class Run:
    """What one command took: seconds, and bytes at the most."""

    seconds: float
    peak: int


def tool_command(commands: list[tuple[str, ...]], source: Path) -> list[str]:
    """What runs commands of the tool on a file, one after the other."""
    lines = [
        [sys.executable, "-m", "gym_rollouts", name, str(source), *options, "--quiet"] for name, *options in commands
    ]
    return ["bash", "-ec", "\n".join(map(shlex.join, lines))]


def measure(command: list[str], directory: Path, environment: dict[str, str]) -> Run:
    """Run a command.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.DEVNULL)
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        peak = max(peak, sum(resident(each) for each in family(watched)))
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(seconds, peak)


def measure_tool(commands: list[tuple[str, ...]], source: Path, folder: Path, environment: dict[str, str]) -> Run:
    """Run commands of the tool in a folder that keeps no facts of an earlier run."""
    shutil.rmtree(folder / "facts", ignore_errors=True)
    return measure(tool_command(commands, source), folder, environment)


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(process: psutil.Process) -> int:
    """The memory that a process holds; 0 once it has ended."""
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def save_modules(page: str, directory: Path) -> None:
    """Save the Python files that a page shows, as its readers do."""
    for block in page_at(ROOT / "docs", page).blocks:
        if block.language == "python" and (name := block.option("file")):
            (directory / name).write_text(block.source, encoding="utf-8")


def differences(ours: Path, theirs: Path, without: Sequence[str] = ()) -> Iterator[str]:
    """Where the two wrote different rows. Why a line was rejected may be said in other words."""
    for path in sorted(each for each in theirs.glob("*.jsonl") if each.name not in without):
        shards = sorted(ours.glob(f"{path.stem}-*-of-*.jsonl")) or [ours / path.name]
        for number, lines in enumerate(zip_longest(lines_in(shards), lines_in([path]), fillvalue=b"null"), 1):
            one, two = map(json.loads, lines)
            if one and two and path.name == "rejects.jsonl":
                one, two = one["line"], two["line"]
            if one != two:
                yield f"{path.name}, line {number}"
                break


def lines_in(paths: list[Path]) -> Iterator[bytes]:
    """The lines of some files, one after the other."""
    for path in paths:
        with path.open("rb") as file:
            yield from file


def fastest(runs: list[Run]) -> Run:
    """The least time and the most memory of several runs: what else a machine does only slows a run."""
    return Run(min(run.seconds for run in runs), max(run.peak for run in runs))


def bench(rows: int, seed: int, directory: Path, names: Sequence[str], repeat: int) -> dict[str, Any]:
    """Measure some of `STEPS` on `rows` rows made from `seed`, each `repeat` times.

    Raises:
        SystemExit: the two wrote different rows.
    """
    source = directory / "rollouts.jsonl"
    make_rows(source, rows, seed)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    steps = []
    for name in names:
        folders = directory / "tool", directory / "loop"
        for folder in folders:
            folder.mkdir(exist_ok=True)
            shutil.rmtree(folder)
            folder.mkdir()
        common = [str(source), *STEPS[name], "--rejects", "rejects.jsonl"]
        loop_command = [sys.executable, str(ROOT / "benchmarks" / "data_loop.py"), *common]
        ours = fastest([measure_tool(COMMANDS[name], source, folders[0], environment) for _ in range(repeat)])
        loop = fastest([measure(loop_command, folders[1], environment) for _ in range(repeat)])
        if found := list(differences(*folders, NOT_COMPARED.get(name, ()))):
            raise SystemExit(f"{name}: the tool and the loop wrote different rows: {'; '.join(found)}")
        steps.append(compared(name, rows, ours, loop))
    return {"rows": rows, "bytes": source.stat().st_size, "seed": seed, "steps": steps}


def compared(name: str, rows: int, ours: Run, loop: Run) -> dict[str, Any]:
    """One step's row of the table, which is also printed."""
    step = {
        "step": name,
        "loop_rows_per_second": round(rows / loop.seconds),
        "rows_per_second": round(rows / ours.seconds),
        "ratio": round(loop.seconds / ours.seconds, 1),
        "loop_peak_mb": round(loop.peak / 1e6),
        "peak_mb": round(ours.peak / 1e6),
    }
    print("  ".join(f"{key} {value}" for key, value in step.items()), flush=True)
    return step


def machine() -> dict[str, Any]:
    """What it was measured on."""
    memory = psutil.virtual_memory().total
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores ({processor()}), {memory / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file that is made")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes another file")
    parser.add_argument("--quick", action="store_true", help="20,000 rows: see that it works")
    parser.add_argument("--step", choices=list(STEPS), action="append", help="measure only this; repeatable")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, of which the fastest counts")
    parser.add_argument("--record", action="store_true", help="add the result to the page's table")
    parser.add_argument("--directory", type=Path, help="where the files go; needs about three times the rows' size")
    options = parser.parse_args()
    rows = 20_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as directory:
        result = machine() | bench(rows, options.seed, Path(directory), options.step or list(STEPS), options.repeat)
    if options.record:
        record(result)


def record(result: dict[str, Any]) -> None:
    """Add a result to the page's table; of the same rows on the same machine, its steps replace those of that name."""
    kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else []
    before = next((each for each in kept if each["rows"] == result["rows"]), None)
    if before and all(before[name] == result[name] for name in ("machine", "python", "bytes")):
        steps = {step["step"]: step for step in (*before["steps"], *result["steps"])}
        result = result | {"steps": [steps[name] for name in STEPS if name in steps]}
    kept = sorted([each for each in kept if each is not before] + [result], key=lambda each: each["rows"])
    RECORD.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
