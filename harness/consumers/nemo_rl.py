"""Hold a configuration of NeMo RL against the keys that NeMo RL has.

NeMo RL is no package that can be installed beside the pinned NeMo Gym, and its classes take any further key, so that a
misspelt one does nothing in silence. `docs/_data/nemo-rl-keys.json` therefore holds the keys of its example for NeMo
Gym, and those that its classes add, as they are at one commit. To read them anew from a clone of NVIDIA-NeMo/RL:

    python -m harness.consumers.nemo_rl PATH/TO/CLONE
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.consumers.strict import Problem, data_of, line_of, mapping
from harness.nearest import nearest

KEYS = Path(__file__).parents[2] / "docs" / "_data" / "nemo-rl-keys.json"

#: The example that a configuration on a page builds upon, and the program that reads both.
EXAMPLE = "examples/nemo_gym/grpo_workplace_assistant_nemotron_nano_v2_9b.yaml"
PROGRAM = "examples/nemo_gym/run_grpo_nemo_gym.py"

#: Sections of the configuration, with the class that names their keys: its file, and its name there.
CLASSES = {
    "grpo": ("nemo_rl/algorithms/grpo.py", "GRPOConfig"),
    "policy": ("nemo_rl/models/policy/__init__.py", "PolicyConfig"),
    "policy.megatron_cfg": ("nemo_rl/models/policy/__init__.py", "MegatronConfig"),
    "policy.generation.vllm_cfg": ("nemo_rl/models/generation/vllm/config.py", "VllmSpecificArgs"),
}

#: What a value of each type may be. Types that are not here are not looked at.
TYPES: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}


def problems(text: str) -> list[Problem]:
    """What NeMo RL would ignore or refuse of a configuration that builds upon its example for NeMo Gym."""
    node, found = mapping(text)
    if node is None:
        return found
    known = json.loads(KEYS.read_text(encoding="utf-8"))
    for key, value in node.value:
        if key.value != "defaults":
            found += _section(key, value, key.value, known["keys"])
        elif value.value != known["example"]:
            found.append(Problem(line_of(value), f"NeMo RL's example is {known['example']}, found {value.value}"))
    return found


def _section(key: yaml.Node, value: yaml.Node, path: str, known: dict[str, str]) -> Iterator[Problem]:
    """The problems of a key and of all below it."""
    inner = {name.removeprefix(f"{path}.") for name in known if name.startswith(f"{path}.")}
    if path not in known and not inner:
        parent = path.rpartition(".")[0]
        beside = {name.removeprefix(f"{parent}.").split(".")[0] for name in known if name.startswith(parent)}
        yield Problem(line_of(key), f"unknown key {path!r} for NeMo RL: {nearest(key.value, beside)}")
    elif isinstance(value, yaml.MappingNode):
        # A mapping that no key lies below is handed on as it is, such as arguments of vLLM.
        for each, below in value.value if inner else ():
            yield from _section(each, below, f"{path}.{each.value}", known)
    elif inner:
        yield Problem(line_of(key), f"{path!r} holds keys such as {min(inner)!r}, found a value")
    else:
        data, expected = data_of(value), known[path]
        if expected in TYPES and type(data) not in TYPES[expected] and "${" not in str(data):
            yield Problem(line_of(value), f"{path!r}: expected {expected}, found {data!r}")


# ------------------------------------------------------------------------------------------- from a clone


def read_keys(clone: Path) -> dict[str, Any]:
    """The keys of a clone's example and classes with their types, and the commit that they are from."""
    commit, date = _git(clone, "log", "-1", "--format=%H %cs").split()
    keys: dict[str, str] = {}
    for section, (path, name) in CLASSES.items():
        for field, annotation in _fields(_git(clone, "show", f"HEAD:{path}"), name).items():
            keys[f"{section}.{field}"] = annotation
    keys |= dict(_leaves(yaml.safe_load(_git(clone, "show", f"HEAD:{EXAMPLE}"))))
    for name in [name for name in keys if any(other.startswith(f"{name}.") for other in keys)]:
        del keys[name]  # it holds others
    _git(clone, "cat-file", "-e", f"HEAD:{PROGRAM}")
    return {"commit": commit, "date": date, "example": EXAMPLE, "program": PROGRAM, "keys": dict(sorted(keys.items()))}


def _git(clone: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=True).stdout


def _fields(source: str, name: str) -> dict[str, str]:
    """The annotated fields of a class in a module's source, with the types that `TYPES` knows; `any` for others."""
    body = next(each.body for each in ast.parse(source).body if isinstance(each, ast.ClassDef) and each.name == name)
    found = {}
    for line in body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            annotation = ast.unparse(line.annotation).removeprefix("NotRequired[").removesuffix("]")
            found[line.target.id] = annotation if annotation in TYPES else "any"
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The dotted paths of a configuration's values, with their types; `any` where the example does not tell."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    else:
        kind = type(value).__name__
        yield path, kind if kind in TYPES and "${" not in str(value) else "any"


if __name__ == "__main__":
    KEYS.write_text(json.dumps(read_keys(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")
