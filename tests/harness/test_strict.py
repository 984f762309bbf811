"""Unknown keys and wrong values, at any depth, in every kind of type: by table, and over all classes of the install."""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, NewType

import pytest
import typing_extensions
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from harness.consumers import problems, strict
from harness.consumers.commands import COMMAND_CONFIGS
from harness.consumers.gym import _command_fields, load


class Inner(BaseModel):
    depth: int = 0
    label: str = ""


class Effort(typing_extensions.TypedDict, total=False):
    effort: Literal["low", "high"]
    summary: typing_extensions.Required[str]


class Plain(typing.TypedDict):
    width: int
    height: typing.NotRequired[int]


class Cat(BaseModel):
    kind: Literal["cat"]
    meows: int = 0
    colour: str = ""


class Dog(typing_extensions.TypedDict):
    kind: typing_extensions.Required[Literal["dog"]]
    barks: typing_extensions.NotRequired[int]


class Fish(BaseModel):
    scales: int
    fins: list[Inner] = []


class Mode(enum.Enum):
    A = "a"


class Bird(BaseModel):
    mode: Mode
    feathers: int = 0


class Aliased(BaseModel):
    by_alias: int = Field(0, alias="byAlias")
    several: int = Field(0, validation_alias=AliasChoices("first", "second"))


class Both(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    by_alias: int = Field(0, alias="byAlias")


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = 0


class Rows(RootModel[list[Inner]]):
    pass


@dataclasses.dataclass
class Data:
    first: int
    second: Inner | None = None


@pydantic_dataclass
class Checked:
    first: int
    second: int = Field(0, alias="zweite")


Pet = Annotated[Cat | Dog | Fish, Field(description="any of them")]
Named = typing_extensions.TypeAliasType("Named", dict[str, Pet])
Wrapped = NewType("Wrapped", Inner)


class All(BaseModel):
    model: Inner = Inner()
    optional: Inner | None = None
    effort: Effort | None = None
    plain: Plain | None = None
    pet: Pet | None = None
    pets: list[Pet] | str = []
    iterated: Iterable[Dog] = ()
    named: Named = {}
    models: dict[str, Inner] = {}
    deep: dict[str, list[dict[str, Inner]]] = {}
    pair: tuple[Inner, Plain] | None = None
    many: tuple[Inner, ...] = ()
    aliased: Aliased | None = None
    both: Both | None = None
    closed: Closed | None = None
    rows: Rows | None = None
    data: Data | None = None
    checked: Checked | None = None
    wrapped: Wrapped | None = None
    tagged: Annotated[Cat | Bird, Field(union_mode="left_to_right")] | None = None
    free: dict[str, Any] = {}
    anything: Any = None
    nested: list[list[Inner] | All] = []


FAULTS = [
    ("modle: {}", "modle", "All", "model"),
    ("model: {dept: 1}", "model.dept", "Inner", "depth"),
    ("optional: {lable: a}", "optional.lable", "Inner", "label"),
    ("effort: {efort: low, summary: a}", "effort.efort", "Effort", "effort"),
    ("effort: {effort: low, sumary: a}", "effort.sumary", "Effort", "summary"),
    ("plain: {widht: 1}", "plain.widht", "Plain", "width"),
    ("plain: {width: 1, hight: 2}", "plain.hight", "Plain", "height"),
    ("pet: {kind: cat, meow: 1}", "pet.meow", "Cat", "meows"),
    ("pet: {kind: dog, bark: 1}", "pet.bark", "Dog", "barks"),
    ("pet: {kind: dog, colour: red}", "pet.colour", "Dog", "it knows barks, kind"),
    ("pet: {knid: dog, barks: 1}", "pet.knid", "Dog", "kind"),
    ("pet: {scale: 1, fins: []}", "pet.scale", "Fish", "scales"),
    ("pet: {scales: 1, fins: [{}, {dept: 1}]}", "pet.fins.1.dept", "Inner", "depth"),
    ("pet: {kind: '${kind}', bark: 1}", "pet.bark", "Dog", "barks"),
    ("pets: [{kind: cat}, {kind: dog, bark: 1}]", "pets.1.bark", "Dog", "barks"),
    ("iterated: [{kind: dog, bark: 1}]", "iterated.0.bark", "Dog", "barks"),
    ("named: {tom: {kind: cat, color: red}}", "named.tom.color", "Cat", "colour"),
    ("models: {x: {depth: 1}, y: {labl: a}}", "models.y.labl", "Inner", "label"),
    ("deep: {x: [{y: {depht: 1}}]}", "deep.x.0.y.depht", "Inner", "depth"),
    ("pair: [{depth: 1}, {widthh: 2}]", "pair.1.widthh", "Plain", "width"),
    ("many: [{}, {dpth: 1}]", "many.1.dpth", "Inner", "depth"),
    ("aliased: {by_alias: 1}", "aliased.by_alias", "Aliased", "byAlias"),
    ("aliased: {secnd: 1}", "aliased.secnd", "Aliased", "second"),
    ("both: {byAlais: 1}", "both.byAlais", "Both", "byAlias"),
    ("closed: {witdh: 1}", "closed.witdh", "Closed", "width"),
    ("rows: [{dept: 1}]", "rows.0.dept", "Inner", "depth"),
    ("data: {first: 1, secnd: {}}", "data.secnd", "Data", "second"),
    ("data: {first: 1, second: {dept: 1}}", "data.second.dept", "Inner", "depth"),
    ("checked: {first: 1, second: 2}", "checked.second", "Checked", "it knows first, zweite"),
    ("wrapped: {dept: 1}", "wrapped.dept", "Inner", "depth"),
    ("tagged: {mode: a, feather: 1}", "tagged.feather", "Bird", "feathers"),
    ("nested: [[{dept: 1}]]", "nested.0.0.dept", "Inner", "depth"),
    ("nested: [{nested: [{plain: {wdth: 1}}]}]", "nested.0.nested.0.plain.wdth", "Plain", "width"),
    ("effort: {summary: '${oc.env:S}', efort: low}", "effort.efort", "Effort", "effort"),
    ("pets: [{kind: cat, meows: '${n}', clour: red}]", "pets.0.clour", "Cat", "colour"),
]


@pytest.mark.parametrize(("text", "key", "of", "near"), FAULTS, ids=[fault[1] for fault in FAULTS])
def test_an_unknown_key_is_named_once_with_the_nearest(text: str, key: str, of: str, near: str) -> None:
    near = near if " " in near else f"did you mean {near!r}?"
    assert [each.message for each in strict.check(All, strict.compose(text))] == [
        f"unknown key {key!r} for {of}: {near}"
    ]


RIGHT = """
model: {depth: 1}
effort: {effort: low, summary: a}
plain: {width: 1}
pet: {kind: dog, barks: 2}
pets: [{kind: cat}, {scales: 1, fins: [{depth: 2}]}]
named: {tom: {kind: cat}}
aliased: {byAlias: 1, first: 2}
both: {by_alias: 1}
rows: [{depth: 1}]
data: {first: 1, second: {label: a}}
checked: {first: 1, zweite: 2}
free: {whatever: {it: [is]}}
anything: {whatever: {it: [is]}}
pair: [{depth: 1}, {width: 2}]
nested: [[{depth: 1}], {pets: none}]
"""


@pytest.mark.parametrize(
    "text", [RIGHT, "pets: none", "pet: null", "tagged: {mode: a, feathers: 1}", "pet: {kind: '${k}'}"]
)
def test_what_is_right_passes(text: str) -> None:
    assert strict.check(All, strict.compose(text)) == []


VALUES = [
    ("model: {depth: much}", "'model.depth': Input should be a valid integer", 1),
    ("pets:\n- kind: cat\n- kind: dog\n  barks: loudly", "'pets.1.barks': Input should be a valid integer", 4),
    ("pet: {kind: dog, barks: '${n}'}\nmodel:\n  depth: much", "'model.depth': Input should be a valid integer", 3),
    ("effort: {effort: middling, summary: a}", "'effort.effort': Input should be 'low' or 'high'", 1),
    ("plain: {}", "'plain.width': Field required", 1),
    ("tagged: {mode: b}", "'tagged.mode': Input should be 'a'", 1),
    ("model: 3", "'model': Input should be a valid dictionary or instance of Inner", 1),
    ("pair: [{depth: x}, {width: 1}]", "'pair.0.depth': Input should be a valid integer", 1),
]


@pytest.mark.parametrize(("text", "said", "line"), VALUES, ids=[each[1] for each in VALUES])
def test_a_wrong_value_is_named_once_with_its_line(text: str, said: str, line: int) -> None:
    (problem,) = strict.check(All, strict.compose(text))
    assert problem.line == line
    assert problem.message.startswith(said)


TASK = {"responses_create_params": {"input": "x"}}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task_sourc": "mcqa"}, "unknown key 'task_sourc' for TaskRow: did you mean 'task_source'?"),
        ({"task_sauce": "mcqa"}, "unknown key 'task_sauce' for TaskRow: did you mean 'task_source'?"),
        ({"agent_rf": {"name": "a"}}, "unknown key 'agent_rf' for TaskRow: did you mean 'agent_ref'?"),
        ({"agent_ref": {"nam": "a"}}, "'agent_ref': Value error, it has no 'name': did you mean 'nam'?"),
        ({"agent_ref": {"name": "a", "typ": "b"}}, "unknown key 'typ': did you mean 'type'?"),
        ({"agent_ref": {"name": "a", "type": "responses_api_agents"}}, None),
        ({"expected_answer": "B", "uuid": 1, "source": "x", "task": "y", "task_score": 1, "agent_ref_1": {}}, None),
        # What is there beside it is not misspelt.
        ({"task_source": "mcqa", "task_sources": ["a"]}, None),
    ],
)
def test_an_open_row_takes_keys_of_its_own_and_none_that_is_nearly_one_of_ours(more: dict, said: str | None) -> None:
    found = [message for _, message in problems("task row", json.dumps(TASK | more))]
    assert found == [] if said is None else said in found[0]


# ----------------------------------------------------------------------------------- over all of the install


def misspelt(key: str) -> str:
    """A key that no class has and that is near to ``key``."""
    return f"{key}q"


def sample(annotation: Any, seen: tuple[Any, ...] = ()) -> Any:
    """A value of the type with what it needs and nothing else."""
    annotation = strict._plain(annotation)
    fields = strict._fields(annotation)
    if fields is not None:
        return {name: sample(each.annotation, (*seen, annotation)) for name, each in fields.items() if each.required}
    if strict._is_union(annotation):
        return min((sample(member, seen) for member in typing.get_args(annotation) if member not in seen), key=_size)
    if (known := strict._literals(annotation)) is not None:
        return next(iter(sorted(known, key=str)))
    if strict._is(annotation, dict):
        return {}
    if strict._is(annotation, Iterable):
        return []
    return {int: 1, float: 0.5, bool: True}.get(annotation, "x")


def _size(value: Any) -> int:
    return len(json.dumps(value))


def reachable(
    annotation: Any, wrap=lambda value: value, path: str = "", seen: set[Any] | None = None
) -> Iterator[tuple]:
    """Each class that a type reaches, once: with its keys' path there, and what puts a value of it at that path."""
    seen = set() if seen is None else seen
    annotation = strict._plain(annotation)
    fields = strict._fields(annotation)
    if fields is not None:
        if annotation in seen:
            return
        seen.add(annotation)
        yield annotation, path, wrap
        base = sample(annotation)
        for name, each in fields.items():

            def inner(value, name=name, base=base, wrap=wrap):
                return wrap(base | {name: value})

            yield from reachable(each.annotation, inner, f"{path}{name}.", seen)
    elif strict._is_union(annotation):
        for member in typing.get_args(annotation):
            yield from reachable(member, wrap, path, seen)
    elif strict._is(annotation, typing.Mapping):
        yield from reachable(strict._value_type(annotation), lambda value: wrap({"a": value}), f"{path}a.", seen)
    elif strict._is(annotation, Iterable):
        yield from reachable(strict._item_type(annotation, 0), lambda value: wrap([value]), f"{path}0.", seen)


#: Classes whose misspelt keys another member of their union takes on purpose, as any object.
TAKEN_BY_ANY = {"ComparisonFilter": "a compound filter holds comparisons or any object"}

ROOTS = {
    **{
        f"row {name}": load(f"harness.consumers.rows:{name}")
        for name in (
            "TaskRow",
            "RolloutRow",
            "FailureRow",
            "AggregateMetricsFile",
            "RewardProfile",
            "RepeatMetricsFile",
            "QualitySummary",
            "RolloutVerdict",
            "SFTRow",
            "PreferencePair",
            "RLRow",
        )
    },
    "prompt": load("nemo_gym.prompt:PromptConfig"),
}


def _cases(annotation: Any, reached: set[Any]) -> Iterator[tuple[str, str, str, Any]]:
    for kind, path, wrap in reachable(annotation, seen=reached):
        if kind.__name__ in strict.OPEN_MODELS or kind.__name__ in TAKEN_BY_ANY:
            continue
        base = sample(kind)
        for key, each in strict._fields(kind).items():
            value = {name: given for name, given in base.items() if name != key} | {
                misspelt(key): sample(each.annotation)
            }
            yield kind.__name__, path, key, wrap(value)


def _unnamed(annotation: Any, reached: set[Any], prefix: str = "") -> tuple[list[str], int]:
    """The keys of the classes below a type that may be misspelt unseen, and how many were tried."""
    tried, missed = 0, []
    for kind, path, key, value in _cases(annotation, reached):
        tried += 1
        node = strict.compose(json.dumps(value))
        messages = [each.message for each in strict.unknown_keys(annotation, node)]
        wanted = f"unknown key {path + misspelt(key)!r} for "
        if not any(message.startswith(wanted) and f"did you mean {key!r}?" in message for message in messages):
            missed.append(f"{kind}.{key}: {json.dumps(value)[:300]} {messages[:2]}")
    return missed, tried


def test_every_key_of_every_class_that_rows_and_commands_reach_is_looked_at() -> None:
    reached: set[Any] = set()
    missed, tried = [], 0
    for annotation in [
        *ROOTS.values(),
        *(field for command in COMMAND_CONFIGS for field in _command_fields(command).values()),
    ]:
        more, count = _unnamed(annotation, reached)
        missed += more
        tried += count
    assert "\n".join(missed) == ""
    assert tried > 1000
    assert sum(map(typing_extensions.is_typeddict, reached)) > 60


def test_every_setting_of_every_command_is_looked_at() -> None:
    said = {
        f"gym {command}, {name}": problems(f"gym {command}", json.dumps({misspelt(name): 1}))
        for command in COMMAND_CONFIGS
        for name in _command_fields(command)
    }
    assert len(said) > 100
    assert {
        place: found
        for place, found in said.items()
        if f"did you mean {place.partition(', ')[2]!r}?" not in found[0][1]
    } == {}
