"""The generated reference: what stands on the pages is what the pinned NeMo Gym has."""

from __future__ import annotations

import ast
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.consumers import COMMAND_CONFIGS
from pinned import names, reference, reference_classes, reference_extract, reference_pages
from pinned.reference_pages import GENERATED, WHOLE, ReferenceError

SERVERS = {"mcqa": {}, "wordle": {}}

ROW = '{ pattern = ["Exact match"], reward = "0 or 1", suits = ["SFT"] }'
WRITTEN = f"""
[pattern]
"Exact match" = "page.md"

[renamed]
old = "mcqa"

[server]
mcqa = {ROW}
wordle = {ROW}
"""

SOURCE = '''
"""A module."""
from __future__ import annotations
from enum import Enum
from typing import Annotated, Any, ClassVar, Dict, List, Literal, Optional, Union
from pydantic import BaseModel, ConfigDict, Field
from .other import Base

Split = Union[Literal["train"], Literal["test"]]

class Kind(str, Enum):
    A = "a"
    B = "b"

class Config(Base, extra="forbid"):
    """Words."""
    model_config = ConfigDict(protected_namespaces=())
    SHARED: ClassVar[int] = 1
    _hidden: int = 2
    split: Split
    kind: Optional[Kind] = None
    # Above, on two
    # lines.
    above: List[str] = Field(default_factory=list)
    beside: int = 3  # Beside.
    below: Dict[str, Any] = Field({}, description="From the field.")
    """From the string below."""
    string: int = 4
    """From the string below."""
    bounded: Annotated[float, "x"] = Field(default=0.5, gt=0, le=1)
    made: list[int] = Field(default_factory=lambda: [1, 2])  # noqa: B008
    named: "Config | None" = None
'''

#: A class whose source has no meaning of its field `model_server`.
AGENT = "responses_api_agents.aviary_agent.app.AviaryAgentConfig"

FIELDS = {
    "split": ('"train" | "test"', None, "", ""),
    "kind": ('"a" | "b" | None', "None", "", ""),
    "above": ("list[str]", "[]", "", "Above, on two lines."),
    "beside": ("int", "3", "", "Beside."),
    "below": ("dict[str, Any]", "{}", "", "From the field."),
    "string": ("int", "4", "", "From the string below."),
    "bounded": ("float", "0.5", "above 0, at most 1", ""),
    "made": ("list[int]", "[1, 2]", "", ""),
    "named": ("Config | None", "None", "", ""),
}


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """What the installed NeMo Gym is made of."""
    return reference_extract.everything()


def test_the_pages_are_what_the_pin_gives(data: dict[str, Any]) -> None:
    difference = reference.check(data)
    assert not difference, f"{difference}\nRun nox -s reference and look at what changed."


def test_a_page_that_differs_is_missing_or_is_too_much_is_shown(data: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(reference.PAGES, tmp_path, dirs_exist_ok=True)
    cli = tmp_path / "cli.md"
    cli.write_text(cli.read_text(encoding="utf-8").replace("`--num-repeats`]", "`--num-repeat`]"), encoding="utf-8")
    servers = tmp_path / "resources-servers"
    (servers / "mcqa.md").rename(servers / "gone.md")
    difference = reference.check(data, tmp_path)
    assert "--- docs/reference/cli.md\n+++ docs/reference/cli.md, as the pin gives it" in difference
    assert "-| [`--num-repeat`]" in difference
    assert "+| [`--num-repeats`]" in difference
    assert "+++ docs/reference/resources-servers/mcqa.md, as the pin gives it" in difference
    assert "--- docs/reference/resources-servers/gone.md\n+++ nothing: the pin gives no such page" in difference
    cli.write_text("# Commands\n", encoding="utf-8")
    with pytest.raises(ReferenceError, match=r"cli\.md: expected the line '% Generated"):
        reference.check(data, tmp_path)


def test_a_page_that_is_not_listed_is_added_to_those_that_were_published(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "published.txt"
    text = reference.PUBLISHED.read_text(encoding="utf-8")
    path.write_text(text.replace("reference/resources-servers/mcqa\n", ""), encoding="utf-8")
    monkeypatch.setattr(reference, "PUBLISHED", path)
    assert reference.files(data)[path].endswith("\nreference/resources-servers/mcqa\n")
    assert "+reference/resources-servers/mcqa" in reference.check(data)


def test_the_opening_of_a_page_is_kept(data: dict[str, Any]) -> None:
    openings = 0
    for path, text in reference.files(data).items():
        committed = path.read_text(encoding="utf-8")
        assert text.partition(GENERATED)[0] == committed.partition(GENERATED)[0]
        assert text.count(f"\n{GENERATED}\n") + text.count(f"\n{WHOLE}\n") == (path.suffix == ".md")
        openings += GENERATED in text
    assert openings == 3


# -- What is written by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"wordle = {ROW}", "", r"wordle: resources servers of the install without a row.*`wordle = \{\.\.\.\}`"),
        ("wordle =", f"gone = {ROW}\nwordle =", "gone: rows without a resources server in the install"),
        ('suits = ["SFT"]', 'suits = ["PPO"]', r"suits \['PPO'\]: expected SFT, DPO and RL only"),
        (', suits = ["SFT"]', "", "mcqa lacks suits"),
        ('["Exact match"]', '["Exakt match"]', "names patterns that .pattern. lacks"),
        ('reward = "0 or 1"', 'reward = "0 or 1", rewrad = ""', "unknown keys: rewrad"),
        ('old = "mcqa"', 'old = "mcqaa"', r"old = mcqaa: expected an old name and a server of today"),
        ('old = "mcqa"', 'wordle = "mcqa"', "wordle = mcqa: expected an old name"),
    ],
)
def test_rows_must_fit_the_install(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "servers.toml"
    path.write_text(WRITTEN, encoding="utf-8")
    assert set(reference_pages.read_rows(SERVERS, path)["server"]) == set(SERVERS)
    assert WRITTEN.count(old) >= 1
    path.write_text(WRITTEN.replace(old, new), encoding="utf-8")
    with pytest.raises(ReferenceError, match=said):
        reference_pages.read_rows(SERVERS, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[keys]\nuv_venv_dirr = "x"', "uv_venv_dirr: no top-level key"),
        ('[fields.DatasetConfig]\nnamee = "x"', "DatasetConfig has no fields namee"),
        ('[fields.DatasetConfigg]\nname = "x"', "no class DatasetConfigg"),
        ('[common]\n"model_server: ModelServerReff" = "x"', "model_server: ModelServerReff: no field of that name"),
    ],
)
def test_meanings_must_fit_the_install(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(reference_pages, "SETTINGS", path)
    with pytest.raises(ReferenceError, match=said):
        reference_pages.settings_of(data)


def test_a_class_without_a_page_is_named(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: server for name, server in data["servers"].items() if name != "mcqa"}
    lost = r"without a page: MCQAResourcesServerConfig \(resources-servers/mcqa\)"
    with pytest.raises(ReferenceError, match=lost):
        reference_pages.settings_of(data | {"servers": few})
    groups = reference_pages.GROUPS
    monkeypatch.setattr(reference_pages, "GROUPS", tuple(each for each in groups if each.page != "agents-p-z"))
    with pytest.raises(ReferenceError, match=r"\w+: no group of settings takes it: see GROUPS"):
        reference_pages.settings_of(data)
    monkeypatch.setattr(reference_pages, "GROUPS", tuple(each for each in groups if each.page != "cluster"))
    with pytest.raises(ReferenceError, match=r"without a page: \w+ \(configuration/cluster\)"):
        reference_pages.settings_of(data)


def test_a_meaning_that_is_ours_is_marked(data: dict[str, Any]) -> None:
    settings = reference_pages.settings_of(data)
    (group,) = [each for each in reference_pages.GROUPS if each.page == "system"]
    rows = [row for row in reference_pages.group_page(group, settings) if row.startswith("| [`uv_venv_dir`]")]
    assert settings.hand["keys"]["uv_venv_dir"] in rows[0]
    assert rows[0].endswith(" *(ours)* |")
    rows = [row for row in reference_pages._class(AGENT, settings, 2) if row.startswith("| [`model_server`]")]
    assert rows[0].endswith(f"{settings.hand['common']['model_server: ModelServerRef']} *(ours)* |")
    assert reference_pages._meaning({"says": "From the source."}, None) == "From the source."


# -- What is found ------------------------------------------------------------------------------------------------


def test_servers_are_the_folders_of_the_install(data: dict[str, Any]) -> None:
    root = reference_extract.site_packages() / "resources_servers"
    assert list(data["servers"]) == sorted(path.name for path in root.iterdir() if path.name[0] not in "._")
    mcqa = data["servers"]["mcqa"]
    assert (mcqa["domains"], mcqa["agents"], mcqa["verified"]) == (["knowledge"], ["simple_agent"], False)
    assert {"options", "expected_answer"} <= {each["name"] for each in mcqa["fields"]}
    assert {"train", "nvidia/Nemotron-RL-knowledge-mcqa", "Apache 2.0"} <= set(mcqa["datasets"][0].values())
    assert data["servers"]["code_gen"]["verified"]
    assert data["servers"]["code_gen"]["verified_url"]


def test_classes_have_the_fields_that_pydantic_sees(data: dict[str, Any]) -> None:
    """What the sources say is what the classes are, wherever they can be imported: fields, and which are required."""
    classes = data["classes"]

    def fields(path: str) -> dict[str, bool]:
        inherited: dict[str, bool] = {}
        for base in reversed(classes[path]["bases"]):
            inherited |= fields(base)
        return inherited | {name: each["default"] is None for name, each in classes[path]["fields"].items()}

    seen = 0
    for path in classes:
        module, _, name = path.rpartition(".")
        if module.startswith("nemo_gym."):
            real = getattr(importlib.import_module(module), name)
            assert fields(path) == {field: each.is_required() for field, each in real.model_fields.items()}, path
            seen += 1
    assert seen > 80


def test_a_class_is_read_as_it_is_written() -> None:
    tree = ast.parse(SOURCE)
    aliases = dict(reference_classes._aliases(tree))
    node = next(each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == "Config")
    made = reference_classes._class(node, "a.module", aliases, SOURCE.splitlines())
    found = {name: (f["type"], f["default"], f["bounds"], f["says"]) for name, f in made.fields.items()}
    assert found == FIELDS
    assert (made.extra, made.doc, made.bases) == ("forbid", "Words.", ["Base"])


def test_commands_are_those_of_the_parser(data: dict[str, Any]) -> None:
    from nemo_gym.cli.legacy import LEGACY
    from nemo_gym.cli.main import COMMANDS

    assert set(data["commands"]) == {"", *COMMANDS}
    run = {flag["names"][0]: flag for flag in data["commands"]["eval run"]["flags"]}
    assert run["--num-repeats"]["sets"] == ["num_repeats=VALUE"]
    assert run["--concurrency"]["sets"] == ["num_samples_in_parallel=VALUE"]
    profile = {flag["names"][0]: flag for flag in data["commands"]["eval compare"]["flags"]}
    assert profile["--report-format"]["choices"] == ["md", "json", "both"]
    assert "nemo_gym.rollout_collection.RolloutCollectionConfig" in data["commands"]["eval run"]["classes"]
    assert data["commands"]["dataset collate"]["classes"] == ["nemo_gym.train_data_utils.TrainDataProcessorConfig"]
    assert set(data["old_commands"]) >= {f"ng_{name}" for name in LEGACY}
    assert data["old_commands"]["ng_collect_rollouts"] == "gym eval run --no-serve"


def test_the_harness_judges_a_command_with_the_classes_that_the_pin_reads_it_with(data: dict[str, Any]) -> None:
    found = reference_extract.command_classes(data["commands"], data["server_classes"])
    assert found == {name: list(classes) for name, classes in COMMAND_CONFIGS.items()}
    assert found["dataset upload"][0].endswith(":UploadJsonlDatasetHuggingFaceMaybeDeleteConfig")
    assert found["dataset migrate"] == ["nemo_gym.config_types:UploadJsonlDatasetHuggingFaceConfig"]
    assert found["eval submit"] == ["nemo_gym.orchestration.api:SubmitConfig"]
    servers = {each.rpartition(".")[2] for each in data["server_classes"]}
    assert {"GlobalAIOHTTPAsyncClientConfig", "UvicornLoggingConfig", "ModelCallCaptureConfig"} <= servers
    starting = {name for name, each in data["commands"].items() if each["starts_servers"]}
    assert starting == {"env start", "eval run", "eval reverify"}
    for name in starting:
        assert servers <= {each.rpartition(":")[2] for each in found[name]}
    assert set(found["eval run"]) <= set(found["env resolve"])


def test_a_command_that_moved_to_another_class_is_shown(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "commands.json"
    text = reference.COMMANDS.read_text(encoding="utf-8")
    path.write_text(text.replace("UploadJsonlDatasetHuggingFaceMaybeDeleteConfig", "Other"), encoding="utf-8")
    monkeypatch.setattr(reference, "COMMANDS", path)
    assert '-  "nemo_gym.config_types:Other",' in reference.check(data)


def test_the_table_of_commands_needs_no_nemo_gym() -> None:
    code = "import sys; sys.modules |= dict.fromkeys(['nemo_gym', 'pydantic', 'yaml']); import harness.consumers as c; "
    code += "print(len(c.CONSUMERS))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) > 30


@pytest.fixture
def extracted(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The same, given to whoever asks for it again, since it takes a minute."""
    monkeypatch.setattr(reference_extract, "everything", lambda: data)
    return data


def test_the_names_that_prose_is_looked_up_in_are_those_of_the_install(
    extracted: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert names.main(["--check"]) == 0, capsys.readouterr().err


def test_the_dump_is_plain(extracted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    assert reference.main(["--dump", str(path)]) == 0
    assert json.loads(path.read_text(encoding="utf-8")) == extracted


# -- How it is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Plain words, as they are.", "Plain words, as they are."),
        ("The key agent_ref wins.", "The key `agent_ref` wins."),
        ("(see agent_map).", "(see `agent_map`)."),
        ("Use ``+a=b`` or `c_d`.", "Use `+a=b` or `c_d`."),
        ("keyed as {old: new_one} here", "keyed as `{old: new_one}` here"),
        ("an odd ` tick and a_b", "an odd ' tick and `a_b`"),
        ("above > below * 2", "above > below \\* 2"),
        ("<think> stays, <a href='x y'>a link</a> goes", "`<think>` stays, a link goes"),
    ],
)
def test_descriptions_become_markdown_without_markup(text: str, written: str) -> None:
    assert reference_pages.prose(text) == written


def test_anchors_are_those_that_sphinx_gives() -> None:
    from docutils.nodes import make_id

    for parts in (
        ("server", "math_with_judge"),
        ("setting", "E2EConfig", "num_repeats"),
        ("gym", "eval run", "--top-p"),
    ):
        assert reference_pages.anchor(*parts) == make_id("-".join(parts))
