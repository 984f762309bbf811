"""What the pages on data quality are measured against: one pass over the lines with `json.loads`.

It is what many would write first: one process and dictionaries. It takes the options of the pages' scripts that
`benchmarks.quality` gives, and writes the same rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
from collections import defaultdict
from pathlib import Path
from statistics import fmean, pvariance
from typing import Any

import jsonschema
from datasketch import MinHash, MinHashLSH

TROUBLE = re.compile(r"(?i)\b(error|exception|traceback|invalid|not found|not valid|failed)\b")


def text_of(content: Any) -> str:
    """The text of a content."""
    return content if isinstance(content, str) else "\n".join(part.get("text") or "" for part in content or ())


def digest(text: str) -> int:
    """64 bits that stand for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def input_of(line: str) -> str:
    """The text of a line between the input's brackets: prompts are told apart as they stand there."""
    start = line.index('"input": ') + len('"input": ')
    return line[start : start + json.JSONDecoder().raw_decode(line[start:])[1]]


def facts_of(line: str) -> dict[str, Any]:
    """What is known of a line.

    Raises:
        ValueError, KeyError, TypeError: why it is none.
    """
    row = json.loads(line)
    if not math.isfinite(row["reward"]):
        raise ValueError("the reward is not finite")
    params, items = row["responses_create_params"], row["response"]["output"]
    schemas = {tool["name"]: tool["parameters"] for tool in params.get("tools") or ()}
    answer, length, trouble, bad_call = hashlib.blake2b(digest_size=8), 0, 0, False
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call_output":
            trouble += bool(TROUBLE.search(text_of(item["output"])))
            continue
        if kind == "function_call":
            written = item["name"] + item["arguments"]
            validator = jsonschema.Draft202012Validator(schemas[item["name"]])
            bad_call = bad_call or not validator.is_valid(json.loads(item["arguments"]))
        else:
            written = text_of(item.get("content")) or text_of(item.get("summary"))
        length += len(written)
        if kind != "reasoning":
            answer.update(" ".join(written.lower().split()).encode() + b"\0")
    last = items[-1] if items else {}
    return {
        "task": row["_ng_task_index"],
        "rollout": row["_ng_rollout_index"],
        "agent": row["agent_ref"]["name"],
        "reward": row["reward"],
        "masked": bool(row.get("mask_sample")),
        "prompt": digest(input_of(line)),
        "words": re.findall(r"\w+", "\n".join(["", *(text_of(item["content"]) for item in params["input"])]).lower()),
        "answer": int.from_bytes(answer.digest(), signed=True),
        "length": length,
        "trouble": trouble > 0,
        "cut": bool(row["response"].get("incomplete_details")) or row["response"].get("status") == "incomplete",
        "bad_call": bad_call,
        "answered": last.get("type") == "function_call"
        or (last.get("type", "message") == "message" and bool(text_of(last.get("content")).strip())),
    }


def read(path: Path) -> list[dict[str, Any] | None]:
    """The facts of every line; None for one that has none."""
    found: list[dict[str, Any] | None] = []
    with path.open("rb") as lines:  # a line that is not UTF-8 is a line that cannot be read, not the end of the file
        for line in lines:
            try:
                found.append(facts_of(line.decode("utf-8")))
            except (ValueError, KeyError, TypeError):
                found.append(None)
    return found


def similar_prompts(facts: list[dict[str, Any]]) -> set[int]:
    """The prompts that are like an earlier one."""
    index, seen, found = MinHashLSH(threshold=0.8, num_perm=128), {}, set()
    for each in facts:
        if each["prompt"] in seen:
            continue
        words = each["words"]
        signature = MinHash(num_perm=128)
        runs = range(max(len(words) - 3, 0) + 1)
        signature.update_batch([" ".join(words[at : at + 3]).encode() for at in runs])
        if any(signature.jaccard(seen[other]) >= 0.8 for other in index.query(signature)):
            found.add(each["prompt"])
        seen[each["prompt"]] = signature
        index.insert(each["prompt"], signature)
    return found


def filter_rows(options: argparse.Namespace) -> None:
    """The page's filter for SFT."""
    facts = read(options.rollouts)
    rejected: dict[int, str] = {line: "unreadable" for line, each in enumerate(facts, 1) if each is None}
    rest = {line: each for line, each in enumerate(facts, 1) if each is not None}

    def reject(step: str, lines: list[int]) -> None:
        for line in lines:
            rejected[line] = step
            del rest[line]

    reject("masked", [line for line, each in rest.items() if each["masked"]])
    seen: set[tuple[int, ...]] = set()
    again = []
    for line, each in rest.items():
        key = (each["prompt"], each["task"], each["rollout"])
        if key in seen:
            again.append(line)
        seen.add(key)
    reject("repeated line", again)
    if "similar task" not in options.without:
        similar = similar_prompts(list(rest.values()))
        reject("similar task", [line for line, each in rest.items() if each["prompt"] in similar])
    solved = defaultdict(list)
    for each in rest.values():
        solved[each["prompt"]].append(each["reward"] >= 1)
    outside = {prompt for prompt, values in solved.items() if not options.low <= fmean(values) <= options.high}
    reject("pass rate", [line for line, each in rest.items() if each["prompt"] in outside])
    reject("no answer", [line for line, each in rest.items() if not each["answered"]])
    reject("truncated", [line for line, each in rest.items() if each["cut"]])
    reject("tool call", [line for line, each in rest.items() if each["bad_call"]])
    reject("low reward", [line for line, each in rest.items() if each["reward"] < 1])
    answers: set[tuple[int, int]] = set()
    same = []
    for line, each in rest.items():
        if (each["prompt"], each["answer"]) in answers:
            same.append(line)
        answers.add((each["prompt"], each["answer"]))
    reject("same answer", same)
    with options.rollouts.open("rb") as lines, options.kept.open("wb") as out:
        out.writelines(line for number, line in enumerate(lines, 1) if number in rest)
    with options.rejects.open("w", encoding="utf-8") as out:
        for line, step in sorted(rejected.items()):
            out.write(json.dumps({"line": line, "step": step}) + "\n")


def measure_rows(options: argparse.Namespace) -> None:
    """The page's metrics, without their intervals."""
    tasks: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for each in read(options.rollouts):
        if each is not None and not each["masked"]:
            tasks[each["agent"]][each["prompt"]].append(each)
    found: dict[str, dict[str, float]] = {}
    for agent, by_prompt in tasks.items():
        values: dict[str, list[float]] = defaultdict(list)
        for attempts in by_prompt.values():
            rewards = [each["reward"] for each in attempts]
            n, c = len(rewards), sum(reward >= 1 for reward in rewards)
            values["mean reward"].append(fmean(rewards))
            for k in (1, 2, 4, 8):
                if n >= k:
                    values[f"pass@{k}"].append(1 - math.comb(n - c, k) / math.comb(n, k))
            values["tasks with both kinds"].append(0 < c < n)
            if n > 1:
                values["variance within a task"].append(pvariance(rewards) * n / (n - 1))
                values["different answers"].append((len({each["answer"] for each in attempts}) - 1) / (n - 1))
            values["characters"].append(fmean(each["length"] for each in attempts))
            values["truncated"].append(fmean(each["cut"] for each in attempts))
            values["wrong tool calls"].append(fmean(each["bad_call"] for each in attempts))
            values["tools in trouble"].append(fmean(each["trouble"] for each in attempts))
        found[agent] = {name: fmean(each) for name, each in values.items()}
    options.output.write_text(json.dumps({"environments": found}), encoding="utf-8")


def draw(*names: Any) -> str:
    """The digest that draws: equal names are drawn equally."""
    return hashlib.md5("|".join(map(str, names)).encode()).hexdigest()


def targets(have: dict[tuple[str, ...], int], rows: int, weights: dict[str, float]) -> dict[tuple[str, ...], int]:
    """How many rows each stratum gets, at most four copies of each of its own."""
    if () in have:
        return {(): rows}
    found: dict[tuple[str, ...], int] = {}
    names = sorted({stratum[0] for stratum in have})
    groups = {name: {stratum[1:]: count for stratum, count in have.items() if stratum[0] == name} for name in names}
    room = {name: 4 * sum(group.values()) for name, group in groups.items()}
    given: dict[str, int] = {}
    rows = min(rows, sum(room.values()))
    while rest := [name for name in names if name not in given]:
        each = (rows - sum(given.values())) / (sum(weights.get(name, 1.0) for name in rest) or 1)
        full = {name: room[name] for name in rest if each * weights.get(name, 1.0) > room[name]}
        given |= full
        before = 0.0
        for name in [] if full else rest:
            after = before + weights.get(name, 1.0)
            given[name] = round(each * after) - round(each * before)
            before = after
    for name, group in groups.items():
        for stratum, count in targets(group, given[name], weights).items():
            found[name, *stratum] = count
    return found


def balance_rows(options: argparse.Namespace) -> None:
    """The page's balanced training file, and the rows of held out tasks."""
    with options.profile.open(encoding="utf-8") as lines:
        means = {row["_ng_task_index"]: row["mean/reward"] for row in map(json.loads, lines)}
    with options.rollouts.open(encoding="utf-8") as lines:
        texts = lines.readlines()
    by_prompt: dict[int, list[tuple[str, int, dict[str, Any]]]] = defaultdict(list)
    for number, text in enumerate(texts):
        each = facts_of(text)
        by_prompt[each["prompt"]].append(
            (draw(0, each["prompt"], each["task"], each["rollout"], each["answer"]), number, each)
        )
    environments: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for prompt, attempts in by_prompt.items():
        environments[min(each["agent"] for _, _, each in attempts)].append((draw(0, prompt), prompt))
    held_out: set[int] = set()
    for prompts in environments.values():
        held_out |= {prompt for _, prompt in sorted(prompts)[: math.ceil(options.validation * len(prompts))]}
    strata: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
    validation: list[tuple[str, int]] = []
    for prompt, attempts in by_prompt.items():
        mean = fmean(means[each["task"]] for _, _, each in attempts)
        difficulty = "hard" if mean <= 1 / 3 else "easy" if mean >= 2 / 3 else "medium"
        for drawn, number, each in sorted(attempts, key=lambda attempt: attempt[:2])[: options.per_task]:
            stratum = (each["agent"], difficulty, "short" if each["length"] <= 200 else "long")
            (validation if prompt in held_out else strata[stratum]).append((drawn, number))
    weights = {name: float(weight) for name, weight in (each.split("=") for each in options.weight)}
    rows, train = sum(map(len, strata.values())), []
    goals = targets({stratum: len(strata[stratum]) for stratum in sorted(strata)}, rows, weights)
    for stratum, have in strata.items():
        for place, (drawn, number) in enumerate(sorted(have), 1):
            copies = goals[stratum] // len(have) + (place <= goals[stratum] % len(have))
            train += [(draw(drawn, copy), number, copy) for copy in range(copies)]
    with options.train.open("w", encoding="utf-8") as out:
        out.writelines(texts[number] for _, number, _ in sorted(train))
    with options.held_out.open("w", encoding="utf-8") as out:
        out.writelines(texts[number] for _, number in sorted(validation))


def main() -> None:
    """The pages' command lines, as far as the bench uses them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    scripts = parser.add_subparsers(required=True)
    filters, metrics, balance = (scripts.add_parser(f"{name}.py") for name in ("filter", "metrics", "balance"))
    for script, run in ((filters, filter_rows), (metrics, measure_rows), (balance, balance_rows)):
        script.set_defaults(run=run)
        script.add_argument("rollouts", type=Path)
    filters.add_argument("--for", choices=["sft"])
    filters.add_argument("--low", type=float)
    filters.add_argument("--high", type=float)
    filters.add_argument("--without", nargs="+", default=[])
    for script, names in (
        (filters, ("kept", "rejects")),
        (metrics, ("output",)),
        (balance, ("profile", "train", "held-out")),
    ):
        for name in names:
            script.add_argument(f"--{name}", type=Path)
    balance.add_argument("--validation", type=float)
    balance.add_argument("--per-task", type=int)
    balance.add_argument("--weight", nargs="*")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
