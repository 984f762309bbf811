"""Hold configurations, command lines and rows of NeMo RL against what its sources read, at one commit.

NeMo RL is no package that can be installed: its name on PyPI is a placeholder. Its classes take any further key, so
that a misspelt one does nothing, and no message tells. `docs/_data/nemo-rl-keys.json` therefore holds, for each example
that a page builds upon, its keys and those of the classes that read them, with their types; and for each kind of row
the line of the source that reads it. To read them anew, and to see that the sources still say what `ROWS` is made
from, give the path of a clone of NVIDIA-NeMo/RL and, unless it is HEAD, a commit or tag:

    python -m harness.consumers.nemo_rl PATH/TO/CLONE [COMMIT]
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.consumers.chat import messages_fault, tools_fault
from harness.consumers.strict import Problem, data_of, line_of, mapping
from harness.nearest import nearest

KEYS = Path(__file__).parents[2] / "docs" / "_data" / "nemo-rl-keys.json"


@dataclass(frozen=True)
class Source:
    """Where the keys of an example stand.

    Attributes:
        program: what reads a configuration that builds upon the example.
        module: the module whose `MasterConfig` that program fills.
        datasets: the classes that get what stands under `data.train`, `data.validation` and `data.default`, as
            ``file:class``.
    """

    program: str
    module: str
    datasets: tuple[str, ...]


RESPONSES = "nemo_rl/data/datasets/response_datasets/"
PREFERENCES = "nemo_rl/data/datasets/preference_datasets/"

#: The examples that configurations on pages build upon.
SOURCES = {
    "examples/nemo_gym/grpo_workplace_assistant_nemotron_nano_v2_9b.yaml": Source(
        "examples/nemo_gym/run_grpo_nemo_gym.py",
        "nemo_rl/algorithms/grpo.py",
        (RESPONSES + "nemogym_dataset.py:NemoGymDataset",),
    ),
    "examples/configs/sft.yaml": Source(
        "examples/run_sft.py",
        "nemo_rl/algorithms/sft.py",
        (RESPONSES + "oai_format_dataset.py:OpenAIFormatDataset",),
    ),
    "examples/configs/dpo.yaml": Source(
        "examples/run_dpo.py",
        "nemo_rl/algorithms/dpo.py",
        (
            PREFERENCES + "preference_dataset.py:PreferenceDataset",
            PREFERENCES + "binary_preference_dataset.py:BinaryPreferenceDataset",
        ),
    ),
}

#: Sections that a class reads beyond the one that their annotation names.
FURTHER = {"policy.generation": ("nemo_rl/models/generation/vllm/config.py", "VllmConfig")}

#: What a value of each type may be. Types that are not here are not looked at.
TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "float": (int, float), "str": (str,), "None": (type(None),),
}  # fmt: skip

#: For each kind of row, the file that reads it and, word for word, what it says there.
ROWS = {
    "task": ("nemo_rl/environments/nemo_gym.py", 'Counter(row["agent_ref"]["name"] for row in nemo_gym_examples)'),
    "sft": (RESPONSES + "oai_format_dataset.py", 'assert messages[-1]["role"] == "assistant"'),
    "preference": ("nemo_rl/data/processors.py", 'assert len(datum_dict["completions"]) == 2, ('),
    "binary preference": (
        PREFERENCES + "binary_preference_dataset.py",
        '{"role": "assistant", "content": data[self.chosen_key]}',
    ),
}


@cache
def known() -> dict[str, Any]:
    """What `docs/_data/nemo-rl-keys.json` says."""
    found: dict[str, Any] = json.loads(KEYS.read_text(encoding="utf-8"))
    return found


# ------------------------------------------------------------------------------------------ configurations


def problems(text: str) -> list[Problem]:
    """What NeMo RL would ignore or refuse of a configuration that builds upon one of its examples."""
    node, found = mapping(text)
    if node is None:
        return found
    base = next((value for key, value in node.value if key.value == "defaults"), None)
    examples = known()["examples"]
    if not isinstance(base, yaml.ScalarNode):
        return [Problem(line_of(base or node), f"`defaults`: expected an example of NeMo RL, such as {min(examples)}")]
    if base.value not in examples:
        return [Problem(line_of(base), f"NeMo RL's example is {base.value}: {nearest(base.value, examples)}")]
    for key, value in node.value:
        if key.value != "defaults":
            found += _section(key, value, key.value, examples[base.value]["keys"])
    return found


def _section(key: yaml.Node, value: yaml.Node, path: str, keys: dict[str, str]) -> Iterator[Problem]:
    """The problems of a key and of all below it."""
    inner = _below(path, keys)
    if path not in keys and not inner:
        yield Problem(line_of(key), _unknown(path, keys))
    elif isinstance(value, yaml.MappingNode):
        # A mapping that no key lies below is handed on as it is, such as arguments of vLLM.
        for each, below in value.value if inner else ():
            if each.value == "_override_":
                if "." in path:
                    said = "NeMo RL reads `_override_` in sections of the top level only, and would merge this one"
                    yield Problem(line_of(each), f"{path!r}: {said}")
            else:
                yield from _section(each, below, f"{path}.{each.value}", keys)
    else:
        yield from _value(line_of(value), data_of(value), path, keys)


def _value(line: int, value: Any, path: str, keys: dict[str, str]) -> Iterator[Problem]:
    """The problem of what a known key is set to."""
    inner = _below(path, keys)
    if inner and not isinstance(value, dict) and value is not None and "${" not in str(value):
        yield Problem(line, f"{path!r} holds keys such as {min(inner)!r}, found {value!r}")
    elif not inner:
        expected = keys[path].split("|")
        takes = tuple(each for name in expected for each in TYPES.get(name, (object,)))
        # NeMo RL's YAML takes 1e-8 for a number, where PyYAML takes it for text. A boolean counts as no int.
        number = float in takes and isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
        if object not in takes and type(value) not in takes and not number and "${" not in str(value):
            yield Problem(line, f"{path!r}: expected {' or '.join(expected)}, found {value!r}")


def _below(path: str, keys: dict[str, str]) -> set[str]:
    return {name.removeprefix(f"{path}.") for name in keys if name.startswith(f"{path}.")}


def _unknown(path: str, keys: dict[str, str]) -> str:
    """That NeMo RL knows no such key, and the nearest to the first part of it that is unknown."""
    parts = path.split(".")
    paths = [".".join(parts[:number]) for number in range(1, len(parts) + 1)]
    parent, _, last = next(each for each in paths if each not in keys and not _below(each, keys)).rpartition(".")
    beside = _below(parent, keys) if parent else set(keys)
    return f"unknown key {path!r} for NeMo RL: {nearest(last, {name.split('.')[0] for name in beside})}"


# ----------------------------------------------------------------------------------------- command lines


def command_line(text: str) -> list[Problem]:
    """What is wrong with a command that starts a program of NeMo RL: its configuration, and each override.

    NeMo RL hands what is no flag of its own to Hydra, which refuses a key that the configuration lacks, and takes it
    after ``+`` or ``++``. Here it must be a key of NeMo RL in each case.
    """
    rows = text.split("\n")
    words = shlex.split(text.replace("\\\n", " "))
    programs = {each["program"]: name for name, each in known()["examples"].items()}
    scripts = [word for word in words if word.endswith(".py")]
    if not scripts or scripts[0] not in programs:
        script = scripts[0] if scripts else "none"
        return [Problem(1, f"a program of NeMo RL is expected, found {script}: {nearest(script, programs)}")]
    example = programs[scripts[0]]
    found: list[Problem] = []
    arguments = iter(words[words.index(scripts[0]) + 1 :])
    for word in arguments:
        line = next((number for number, row in enumerate(rows, 1) if word in row), 1)
        flag, _, value = word.partition("=")
        if flag == "--config":
            found += _config_file(line, value or next(arguments, ""), example)
        elif word.startswith("-"):
            found.append(Problem(line, f"`{scripts[0]}` has no flag {flag}: {nearest(flag, ['--config'])}"))
        else:
            found += _override(line, word, known()["examples"][example]["keys"])
    return found


def _config_file(line: int, name: str, example: str) -> Iterator[Problem]:
    """The problems of the configuration that a command names, and whether it is one of the command's program."""
    if not Path(name).is_file():
        if name not in known()["examples"]:
            yield Problem(line, f"--config {name}: there is no such file on this page")
        elif name != example:
            yield Problem(line, f"{name} is not the example of this program, which is {example}")
        return
    text = Path(name).read_text(encoding="utf-8")
    for each in problems(text):
        yield Problem(line, f"{name}:{each.line}: {each.message}")
    base = (yaml.safe_load(text) or {}).get("defaults")
    if base != example:
        yield Problem(line, f"{name} builds upon {base}, and this program reads {example}")


def _override(line: int, word: str, keys: dict[str, str]) -> Iterator[Problem]:
    """The problems of ``key=value``, with ``+``, ``++`` or ``~`` before it or not."""
    path, equals, value = word.lstrip("+~").partition("=")
    if not equals and not word.startswith("~"):
        yield Problem(line, f"{word!r}: expected key=value")
    elif path not in keys and not _below(path, keys):
        yield Problem(line, _unknown(path, keys))
    elif not word.startswith("~") and "$" not in value:
        yield from _value(line, yaml.safe_load(value), path, keys)


# ------------------------------------------------------------------------------------------------- rows


def rows(text: str, kind: str) -> list[Problem]:
    """What is wrong with a JSON object, or with lines of JSON, that NeMo RL's dataset for ``kind`` reads."""
    found: list[Problem] = []
    try:
        lines = [json.dumps(json.loads(text))]  # a row over several lines of a page
    except ValueError:
        lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            found.append(Problem(number, f"not JSON: {error}"))
            continue
        said = CHECKS[kind](row) if isinstance(row, dict) else "expected an object"
        if said:
            where = known()["rows"][kind]
            found.append(Problem(number, f"{said} ({where['file']}:{where['line']} at {known()['commit'][:8]})"))
    return found or ([] if text.strip() else [Problem(1, "there is no row")])


def _task(row: dict[str, Any]) -> str | None:
    missing = _missing(row, "responses_create_params", dict)
    if missing:
        return missing
    if "agent_ref" not in row and "task_source" in row:
        return "a task row of NeMo RL needs agent_ref; the row has task_source, which NeMo RL does not read"
    from harness.consumers import gym

    wrong = _missing(row, "agent_ref", dict) or _missing(row["agent_ref"], "name", str, "agent_ref.")
    # It hands the row on to NeMo Gym.
    return wrong or next((each.message for each in gym.rows(json.dumps(row), "harness.consumers.rows:TaskRow")), None)


def _sft(row: dict[str, Any]) -> str | None:
    wrong = _missing(row, "messages", list) or _messages(row["messages"], "messages")
    if not wrong and row["messages"][-1]["role"] != "assistant":
        return "the last message must be the assistant's"
    if not wrong and not isinstance(row.get("tools", []), list):
        return "tools: expected a list, as the chat template takes it"
    return wrong or tools_fault(row.get("tools"))


def _preference(row: dict[str, Any]) -> str | None:
    wrong = _missing(row, "context", list) or _missing(row, "completions", list) or _messages(row["context"], "context")
    if wrong:
        return wrong
    if len(row["completions"]) != 2:
        return f"completions: expected two, found {len(row['completions'])}"
    for number, each in enumerate(row["completions"]):
        place = f"completions[{number}]"
        wrong = _missing(each, "rank", int, f"{place}.") or _missing(each, "completion", list, f"{place}.")
        if wrong := wrong or _messages(each["completion"], f"{place}.completion"):
            return wrong
    first, second = (each["rank"] for each in row["completions"])
    return f"completions: both have the rank {first}" if first == second else None


def _binary(row: dict[str, Any]) -> str | None:
    prompt = None if isinstance(row.get("prompt"), list) else _missing(row, "prompt", str)
    return prompt or _missing(row, "chosen", str) or _missing(row, "rejected", str)


def _missing(row: Any, name: str, kind: type, place: str = "") -> str | None:
    """That a row lacks a field or has it of another type; None where it is as it should be."""
    if not isinstance(row, dict):
        return f"{place.rstrip('.')}: expected an object"
    if name not in row:
        near = nearest(name, row)
        return f"no {place}{name}" + (f": {near}" if near.startswith("did you") else "")
    if type(row[name]) is not kind:
        wanted = {dict: "an object", list: "a list", str: "text", int: "a whole number"}[kind]
        return f"{place}{name}: expected {wanted}, found {json.dumps(row[name])[:60]}"
    return None


def _messages(messages: list[Any], place: str) -> str | None:
    if not messages:
        return f"{place}: empty"
    wrong = (_missing(each, "role", str, f"{place}[{n}].") for n, each in enumerate(messages))
    return next(filter(None, wrong), None) or messages_fault(messages, place)


CHECKS = {"task": _task, "sft": _sft, "preference": _preference, "binary preference": _binary}


# ------------------------------------------------------------------------------------------ from a clone


@dataclass(frozen=True)
class Clone:
    """A clone of NeMo RL, bare or not, at a commit."""

    path: Path
    commit: str

    def git(self, *arguments: str) -> str:
        """What a command of git prints. Raises `subprocess.CalledProcessError` where it fails."""
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def file(self, name: str) -> str:
        """The text of a file at the commit."""
        return self.git("show", f"{self.commit}:{name}")

    @cache  # noqa: B019  one clone is read in a run
    def module(self, name: str) -> ast.Module:
        """The syntax of a Python file at the commit."""
        return ast.parse(self.file(name))

    def locate(self, name: str, module: str) -> tuple[str, ast.ClassDef] | None:
        """The file and the definition of a class, by the name that it has in a module; None where there is none."""
        for line in self.module(module).body:
            if isinstance(line, ast.ClassDef) and line.name == name:
                return module, line
            if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("nemo_rl"):
                for each in line.names:
                    if (each.asname or each.name) == name:
                        path = str(line.module).replace(".", "/")
                        return self.locate(each.name, self._path_of(path))
        return None

    def _path_of(self, path: str) -> str:
        return f"{path}.py" if self.git("ls-tree", self.commit, f"{path}.py") else f"{path}/__init__.py"


def read_keys(path: Path, commit: str = "HEAD") -> dict[str, Any]:
    """The keys of a clone's examples and classes with their types, and the lines that read its rows.

    Raises:
        subprocess.CalledProcessError: a file that is not there.
        ValueError: a source that no longer says what `ROWS` is made from.
    """
    found, date = Clone(path, commit).git("log", "-1", "--format=%H %cs", commit).split()
    clone = Clone(path, found)
    gym = clone.git("ls-tree", found, "3rdparty/Gym-workspace/Gym").split()[2]
    return {
        "repository": "https://github.com/NVIDIA-NeMo/RL",
        "commit": found,
        "date": date,
        "gym_commit": gym,
        "rows": {kind: _evidence(clone, *where) for kind, where in ROWS.items()},
        "examples": {name: _example(clone, name, source) for name, source in SOURCES.items()},
    }


def _evidence(clone: Clone, file: str, says: str) -> dict[str, Any]:
    for number, line in enumerate(clone.file(file).splitlines(), 1):
        if says in line:
            return {"file": file, "line": number, "says": says}
    raise ValueError(f"{file} no longer says {says!r}: read anew what NeMo RL asks of its rows, and mend `ROWS`")


def _example(clone: Clone, name: str, source: Source) -> dict[str, Any]:
    """The keys of an example, and where they are from."""
    clone.git("cat-file", "-e", f"{clone.commit}:{source.program}")
    files = {name, source.module}
    keys = dict(_leaves(yaml.safe_load(clone.file(name))))
    read = dict(_fields(clone, source.module, "MasterConfig", "", files))
    for section, (module, kind) in FURTHER.items():
        read |= dict(_fields(clone, module, kind, f"{section}.", files))
    for each in source.datasets:
        module, _, kind = each.partition(":")
        files.add(module)
        for part in ("train", "validation", "default"):
            read |= {f"data.{part}.{key}": value for key, value in _parameters(clone, module, kind)}
    # A class knows more of a type than the value that an example has.
    keys |= {key: value for key, value in read.items() if value != "any" or key not in keys}
    held = {key for key in keys if any(other.startswith(f"{key}.") for other in keys)}
    return {
        "program": source.program,
        "files": sorted(files),
        "keys": dict(sorted((key, value) for key, value in keys.items() if key not in held)),
    }


def _fields(clone: Clone, module: str, name: str, prefix: str, files: set[str]) -> Iterator[tuple[str, str]]:
    """The keys that a class of NeMo RL reads, and those of the classes that it names, with their types."""
    found = clone.locate(name, module)
    if found is None:
        return
    file, definition = found
    files.add(file)
    for base in definition.bases:
        if isinstance(base, ast.Name):
            yield from _fields(clone, file, base.id, prefix, files)
    for line in definition.body:
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
            continue
        key = prefix + line.target.id
        inner = [each for name in _names(line.annotation) for each in _fields(clone, file, name, f"{key}.", files)]
        yield from inner or [(key, _type(line.annotation))]


def _names(annotation: ast.expr) -> Iterator[str]:
    """The names of classes in an annotation that stand for a section, alone or in a union."""
    if isinstance(annotation, ast.Name):
        yield annotation.id
    elif isinstance(annotation, ast.BinOp):
        yield from _names(annotation.left)
        yield from _names(annotation.right)
    elif isinstance(annotation, ast.Subscript) and _base(annotation) in ("NotRequired", "Optional", "Union"):
        inner = annotation.slice
        for each in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
            yield from _names(each)


def _base(annotation: ast.Subscript) -> str:
    return ast.unparse(annotation.value)


def _type(annotation: ast.expr | None) -> str:
    """The types of `TYPES` that an annotation allows, with ``|`` between them; `any` where it allows another."""
    if annotation is None:
        return "any"
    text = re.sub(r"\bNotRequired\[(.*)\]", r"\1", ast.unparse(annotation))
    text = re.sub(r"\bOptional\[(.*)\]", r"\1 | None", text)
    parts = [each.strip() for each in text.split("|")]
    return "|".join(parts) if all(each in TYPES for each in parts) else "any"


def _parameters(clone: Clone, module: str, name: str) -> Iterator[tuple[str, str]]:
    """What a dataset class takes by name."""
    found = clone.locate(name, module)
    assert found is not None, name
    for each in found[1].body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            for argument in [*each.args.args[1:], *each.args.kwonlyargs]:
                yield argument.arg, _type(argument.annotation)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The dotted paths of a configuration's values, with their types; `any` where the example does not tell."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    else:
        kind = type(value).__name__
        yield path, kind if kind in TYPES and "${" not in str(value) else "any"


if __name__ == "__main__":
    KEYS.write_text(json.dumps(read_keys(Path(sys.argv[1]), *sys.argv[2:3]), indent=1) + "\n", encoding="utf-8")
