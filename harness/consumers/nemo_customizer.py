"""Hold jobs, packages and rows of NeMo Customizer against its own schemas and validators.

Its `RlJobInput` refuses unknown keys of a job. What it takes without a word is refused here: a text for a number, a
GRPO job without an environment, which only the platform refuses, and keys of a row that are nearly one that it reads.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.consumers.strict import Problem, check, data_of, line_of, mapping, row_problems
from harness.nearest import nearest

#: The command that submits a job.
SUBMIT = ("customization", "rl", "submit")

#: How alike a key of a row and a name that the validator reads are, for the key to be a misspelling of it.
ALIKE = 0.8


def job(text: str) -> list[Problem]:
    """What is wrong with a text of JSON that ``nemo customization rl submit`` sends."""
    from nemo_rl_plugin.schema import RlJobInput

    try:
        data = json.loads(text)
    except ValueError as error:
        return [Problem(getattr(error, "lineno", 1), f"not JSON: {error}")]
    node, problems = mapping(text)
    if node is None:
        return problems
    if problems := _of_its_type(node) or check(RlJobInput, node) or list(_loose(node, data, RlJobInput)):
        return problems
    parsed = RlJobInput.model_validate(data)
    if parsed.training.type == "grpo" and not parsed.environment:
        key = next(key for key, _ in node.value if key.value == "training")
        said = "a GRPO job needs `environment`; the schema takes it without, and the platform refuses it"
        return [Problem(line_of(key), said)]
    return []


def manifest(text: str) -> list[Problem]:
    """What is wrong with ``nemo-environment.yaml``, which describes a package with the environment of a job."""
    from nmp.rl.schemas import environment

    node, problems = mapping(text)
    if node is None:
        return problems
    kinds = {kind.model_fields["format"].default: kind for kind in environment._ManifestBase.__subclasses__()}
    given = data_of(node).get("format")
    if given not in kinds:
        known = [kind.value for kind in kinds]
        return [Problem(_line(node, "format"), f"'format': {nearest(str(given), known)}")]
    return check(kinds[given], node)


def rows(text: str, kind: str) -> list[Problem]:
    """What is wrong with lines of JSON of a dataset for ``kind``, grpo or dpo, as NeMo Customizer validates them."""
    from nmp.rl.entities.values import TrainingType
    from nmp.rl.tasks.training.datasets.preparation import DatasetFormatError
    from nmp.rl.tasks.training.datasets.validation import DatasetValidator

    problems = row_problems(text.splitlines(), lambda row: _near(row, kind))
    validator = DatasetValidator(TrainingType(kind))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        path.write_text(text, encoding="utf-8")
        try:
            validator.validate_dataset(str(path))
        except DatasetFormatError as error:
            # It stops at the first row that it refuses.
            said = str(error).replace(f"{path} ", "")
            line = int(found[1]) if (found := re.search(r"\bline (\d+)", said)) else 1
            problems += [Problem(line, said)] if line not in {each.line for each in problems} else []
    return problems


def command_line(text: str) -> list[Problem]:
    """What is wrong with a command line of ``nemo``: its commands and flags, and the job that it submits."""
    words = shlex.split(text.replace("\\\n", " "))
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    command, arguments, path = _program(), words[1:], ["nemo"]
    flags = set(_flags(command))
    while arguments and not arguments[0].startswith("-") and hasattr(command, "commands"):
        name, *arguments = arguments
        found = command.get_command(_context(command), name)
        if found is None:
            known = command.list_commands(_context(command))
            return [Problem(_where(text, name), f"`{' '.join(path)}` has no command {name}: {nearest(name, known)}")]
        command, path = found, [*path, name]
        flags |= set(_flags(command))
    for word in arguments:
        flag = word.partition("=")[0]
        if flag.startswith("-") and flag not in flags:
            return [Problem(_where(text, flag), f"`{' '.join(path)}` has no flag {flag}: {nearest(flag, flags)}")]
    return [Problem(1, said) for said in _submitted(tuple(path[1:]), arguments)]


# ------------------------------------------------------------------------------------------ its own, and ours


def _of_its_type(node: yaml.Node) -> list[Problem]:
    """Whether ``training.type`` is one that there is: it chooses the keys of ``training``."""
    training = {key.value: value for key, value in node.value}.get("training")
    if not isinstance(training, yaml.MappingNode):
        return []
    given = data_of(training).get("type")
    known = ("dpo", "grpo")
    if given in known:
        return []
    line = _line(training, "type")
    return [Problem(line, f"'training.type': expected one of {', '.join(known)}, found {given!r}")]


def _loose(node: yaml.Node, data: Any, model: Any) -> Iterator[Problem]:
    """The values that the model makes of another type, such as a number of a text, each with its line."""
    from pydantic import ValidationError

    try:
        model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        for detail in error.errors():
            names = [each for each in detail["loc"] if each not in ("dpo", "grpo")]
            at, line = node, line_of(node)
            for name in names:
                line = _line(at, str(name)) if isinstance(at, yaml.MappingNode) else line
                at = next((value for key, value in getattr(at, "value", ()) if key.value == name), at)
            yield Problem(line, f"{'.'.join(map(str, names))!r}: {detail['msg']} (found {detail['input']!r})")


def _near(row: dict[str, Any], kind: str) -> str | None:
    """A key of a row that is nearly one that NeMo Customizer or NeMo Gym reads: the validator lets it pass."""
    from nmp.rl.schemas.environment import AgentRef

    known = _names(kind)
    for name in row.keys() - known:
        if near := difflib.get_close_matches(name, known - row.keys(), 1, ALIKE):
            return f"{name!r} is no key that NeMo Customizer reads: did you mean {near[0]!r}?"
    if kind != "grpo":
        return None
    request, agent = row.get("responses_create_params"), row.get("agent_ref")
    if isinstance(request, dict) and "input" not in request:
        return f"'responses_create_params' has no 'input', which NeMo Gym needs: {nearest('input', request)}"
    if isinstance(agent, dict) and (unknown := sorted(agent.keys() - AgentRef.model_fields)):
        return f"unknown key 'agent_ref.{unknown[0]}': {nearest(unknown[0], AgentRef.model_fields)}"
    return None


@cache
def _names(kind: str) -> frozenset[str]:
    """The names at the top of the rows of a kind."""
    from nmp.rl.schemas.environment import GymDatasetRow
    from nmp.rl.tasks.training.datasets import schemas

    if kind == "grpo":
        return frozenset(GymDatasetRow.model_fields)
    models = [
        schemas.PreferenceDatasetItemSchema,
        schemas.BinaryPreferenceDatasetItemSchema,
        schemas.HelpSteer3DatasetItemSchema,
        schemas.Tulu3PreferenceDatasetItemSchema,
    ]
    return frozenset(name for model in models for name in model.model_fields)


@cache
def _program() -> Any:
    import typer.main
    from nemo_platform.cli import app

    return typer.main.get_command(app.app)


def _context(command: Any) -> Any:
    return command.context_class(command, info_name=command.name)


def _flags(command: Any) -> list[str]:
    declared = [flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag.startswith("-")]
    return [*declared, "--help", "-h"]


def _submitted(path: tuple[str, ...], arguments: list[str]) -> Iterator[str]:
    """What is wrong with the job file that a command submits."""
    files = [Path(word) for word in arguments if word.endswith((".json", ".yaml"))]
    if path == SUBMIT and files:
        for problem in job(files[0].read_text(encoding="utf-8")):
            yield f"{files[0]}:{problem.line}: {problem.message}"


def _line(node: yaml.Node, name: str) -> int:
    return next((line_of(key) for key, _ in node.value if key.value == name), line_of(node))


def _where(text: str, word: str) -> int:
    return next((number for number, line in enumerate(text.split("\n"), 1) if word in line.split()), 1)
