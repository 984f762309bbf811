"""Write the reference of every kind of row: JSON Schemas to download, and the data of the page's tables.

    python -m pinned.formats            write them
    python -m pinned.formats --check    fail, with the difference, where they are not what the pin gives

The classes are NeMo Gym's own and, around them, those of `harness.consumers.rows`. The files are committed, so that
the site builds without NeMo Gym. What a class cannot say of a field, who writes it and since when, is in
``docs/_data/format-notes.toml``.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.consumers.gym import load
from pinned.symbols import pinned_version

DOCS = Path(__file__).parents[1] / "docs"
NOTES = DOCS / "_data" / "format-notes.toml"
TABLES = DOCS / "_data" / "formats.json"
SCHEMAS = DOCS / "downloads" / "schemas"
ASKED = DOCS / "_data" / "servers-asked.json"
#: What the command-line tool carries of it, since it needs no NeMo Gym.
CARRIED = DOCS.parent / "gym-rollouts" / "src" / "gym_rollouts" / "schemas"
CARRIED_KINDS = (
    "task-row", "materialized-input", "rollout-row", "failure-row", "sft-row", "preference-pair", "rl-row"
)  # fmt: skip

#: The kinds of rows and files, each with its class. Each has a table and a JSON Schema.
KINDS = {
    "task-row": "harness.consumers.rows:TaskRow",
    "materialized-input": "harness.consumers.rows:MaterializedInput",
    "rollout-row": "harness.consumers.rows:RolloutRow",
    "failure-row": "harness.consumers.rows:FailureRow",
    "aggregate-metrics": "harness.consumers.rows:AggregateMetricsFile",
    "reward-profile": "harness.consumers.rows:RewardProfile",
    "repeat-metrics": "harness.consumers.rows:RepeatMetricsFile",
    "quality-summary": "harness.consumers.rows:QualitySummary",
    "rollout-verdict": "harness.consumers.rows:RolloutVerdict",
    "sft-row": "harness.consumers.rows:SFTRow",
    "preference-pair": "harness.consumers.rows:PreferencePair",
    "rl-row": "harness.consumers.rows:RLRow",
}

#: What rows are made of: classes with a table of their own.
PARTS = {
    "request": "nemo_gym.openai_utils:NeMoGymResponseCreateParamsNonStreaming",
    "response": "nemo_gym.openai_utils:NeMoGymResponse",
    "input-message": "nemo_gym.openai_utils:NeMoGymEasyInputMessage",
    "output-message": "nemo_gym.openai_utils:NeMoGymResponseOutputMessage",
    "reasoning": "nemo_gym.openai_utils:NeMoGymResponseReasoningItem",
    "function-call": "nemo_gym.openai_utils:NeMoGymResponseFunctionToolCall",
    "function-call-output": "nemo_gym.openai_utils:NeMoGymFunctionCallOutput",
    "token-ids": "nemo_gym.openai_utils:TokenIDLogProbMixin",
    "run-quality": "harness.consumers.rows:RunQuality",
    "task-quality": "harness.consumers.rows:TaskQuality",
    "chat-message": "harness.consumers.rows:ChatMessage",
}

#: Items whose type may be left out. NeMo Gym takes an untyped item that is no valid message for another kind of item.
MESSAGES = ("EasyInputMessage", "Message", "EasyInputMessageForTraining", "MessageForTraining")
TOKENS = ("prompt_token_ids", "generation_token_ids", "generation_log_probs")

Schema = dict[str, Any]
Notes = Mapping[str, Mapping[str, tuple[str, str, str]]]


class FormatError(ValueError):
    """The notes and the classes do not name the same fields."""


def read_notes() -> Notes:
    """Who writes each field of each kind, since which release, and what it is."""
    return tomllib.loads(NOTES.read_text(encoding="utf-8"))


def schema_of(annotation: str) -> Schema:
    """The JSON Schema of a class, without the classes' own titles and texts, and as strict as NeMo Gym reads.

    Pydantic leaves three things out that NeMo Gym's validators see to, or should: of a union of items one branch is
    chosen by its type, so any may match; an item that is no message has a type; token ids come whole or not at all.
    """
    schema = TypeAdapter(load(annotation)).json_schema(by_alias=True, mode="validation")
    definitions = schema.get("$defs", {})
    for name, definition in {annotation.rpartition(":")[2]: schema, **definitions}.items():
        if "const" in definition.get("properties", {}).get("type", {}) and name.removeprefix("NeMoGym") not in MESSAGES:
            definition["required"] = sorted({*definition.get("required", []), "type"})
        if f"{name}ForTraining" in definitions:
            definition["dependentRequired"] = {token: list(TOKENS) for token in (*TOKENS, "routed_experts")}
    return _plain(schema)


def _plain(value: Any, named: bool = False) -> Any:
    """A schema without titles and descriptions. ``named``: its keys are fields' names, not the schema's words."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if named:
        return {name: _plain(inner) for name, inner in value.items()}
    kept = {key: inner for key, inner in value.items() if key not in ("title", "description", "discriminator")}
    if kept.get("default", "") is None:
        del kept["default"]
    if "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
    return {key: _plain(inner, key in ("properties", "$defs", "dependentRequired")) for key, inner in kept.items()}


def object_of(schema: Schema) -> Schema:
    """The object that a schema's rows are: of a file that is a list, its entry."""
    while "properties" not in schema:
        schema_in = schema.get("items", schema)
        name = schema_in["$ref"].rpartition("/")[2]
        schema = schema["$defs"][name] | {"$defs": schema["$defs"]}
    return schema


def type_of(schema: Schema) -> str:
    """A field's type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        part = next((part for part, each in PARTS.items() if each.endswith(f":{name}")), None)
        return f"{{{part}}}" if part else "object"
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema and len(schema["enum"]) > 5:
        return "string"
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema:
        names = list(dict.fromkeys(type_of(branch) for branch in schema["anyOf"]))
        if "string" in names:  # a name that is known beforehand is still any text
            names = [name for name in names if not name.startswith('"')]
        if sum(name.startswith("{") for name in names) > 3:
            return "item"
        return " or ".join(sorted(names, key="null".__eq__))
    kind = schema.get("type", "anything")
    if kind == "array":
        inner = type_of(schema.get("items", {}))
        return f"list of {inner}" if inner != "anything" else "list"
    return kind


def table_of(kind: str, annotation: str, notes: Notes) -> list[dict[str, Any]]:
    """The rows of a kind's table.

    Raises:
        FormatError: a field without a note, or a note without a field.
    """
    schema = object_of(schema_of(annotation))
    fields, noted = schema["properties"], notes.get(kind, {})
    families = {name for name in noted if "*" in name}
    if missing := sorted(fields.keys() - noted.keys()):
        raise FormatError(f"[{kind}] {', '.join(missing)}: a field without a note in {NOTES.name}")
    if unknown := sorted(noted.keys() - fields.keys() - families):
        raise FormatError(f"[{kind}] {', '.join(unknown)}: a note in {NOTES.name} on a field that the class lacks")
    return [
        {
            "name": name,
            "type": type_of(_definition(fields[name], schema)) if name in fields else "",
            "required": name in schema.get("required", []),
            "by": by,
            "since": since,
            "says": says,
        }
        for name, (by, since, says) in noted.items()
    ]


def _definition(field: Schema, schema: Schema) -> Schema:
    """A field's schema; in place of a reference to a mere list of values or a union, that itself."""
    if "$ref" in field:
        target = schema["$defs"][field["$ref"].rpartition("/")[2]]
        return target if "properties" not in target else field
    if "anyOf" in field:
        return field | {"anyOf": [_definition(branch, schema) for branch in field["anyOf"]]}
    return field


def described(kind: str, annotation: str, notes: Notes) -> Schema:
    """A kind's JSON Schema as it is published."""
    schema = schema_of(annotation)
    target = schema if "properties" in schema else schema["$defs"][_entry(schema)]
    for name, field in target["properties"].items():
        says = notes[kind][name][2]
        field["description"] = re.sub(r"\{([\w-]+)\}", lambda found: found[1].replace("-", " "), says)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{kind.replace('-', ' ')} (NeMo Gym {pinned_version()})",
    }
    return head | schema


def _entry(schema: Schema) -> str:
    return schema["items"]["$ref"].rpartition("/")[2]


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file with its text.

    Raises:
        FormatError: the notes do not fit the classes.
    """
    notes = read_notes()
    if unknown := sorted(notes.keys() - KINDS.keys() - PARTS.keys()):
        raise FormatError(f"{', '.join(unknown)}: notes in {NOTES.name} on a kind that pinned/formats.py lacks")
    tables = {kind: table_of(kind, annotation, notes) for kind, annotation in (KINDS | PARTS).items()}
    yield TABLES, json.dumps(tables, indent=1, ensure_ascii=False) + "\n"
    for kind, annotation in KINDS.items():
        schema = described(kind, annotation, notes)
        yield SCHEMAS / f"{kind}.schema.json", json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        if kind in CARRIED_KINDS:
            yield CARRIED / f"{kind}.json", json.dumps(schema, separators=(",", ":"), ensure_ascii=False) + "\n"
    asked = json.loads(ASKED.read_text(encoding="utf-8"))["servers"]
    needs = {server: list(found.get("needs", {})) for server, found in sorted(asked.items())}
    yield CARRIED / "servers.json", json.dumps(needs, indent=1, ensure_ascii=False) + "\n"


def check() -> str:
    """The difference between the committed files and what the pin gives; empty where there is none."""
    differences = []
    expected = dict(files())
    for path in sorted({*expected, *SCHEMAS.glob("*.json"), *CARRIED.glob("*.json")}):
        committed = path.read_text(encoding="utf-8") if path.is_file() else ""
        given = expected.get(path, "")
        name = path.relative_to(DOCS.parent).as_posix()
        labels = (name, f"{name}, as the pin gives it")
        differences += difflib.unified_diff(committed.splitlines(), given.splitlines(), *labels, lineterm="")
    return "\n".join(differences)


def main() -> int:
    """Write the files, or with ``--check`` compare them; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a file is out of date")
    if parser.parse_args().check:
        difference = check()
        if difference:
            print(difference, "Run python -m pinned.formats and look at what changed.", sep="\n")
        return 1 if difference else 0
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DOCS.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
