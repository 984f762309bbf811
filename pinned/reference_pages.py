"""The reference pages as Markdown, from what `pinned.reference_extract` finds and what is written by hand.

Each server, class and command has a heading with an anchor, each field and flag a row with one:
``(server-mcqa)=``, ``[`num_repeats`]{#setting-rolloutcollectionconfig-num-repeats}``. The roles of
``docs/_ext/reference.py`` read the names that exist from these very lines.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pinned import asking

DATA = Path(__file__).resolve().parents[1] / "docs" / "_data"
SERVERS = DATA / "servers.toml"
SETTINGS = DATA / "settings.toml"

#: The line of a page below which everything is generated.
GENERATED = "% Generated below this line from the installed release: change nothing here, run nox -s reference."

Data = dict[str, Any]


class ReferenceError(ValueError):
    """What is written by hand does not fit what is installed."""


def render(data: Data) -> dict[str, str]:
    """The generated part of each page, by the page's name.

    Raises:
        ReferenceError: a server without a row in ``servers.toml``, a row without a server, or the like.
    """
    return {
        "resources-servers": "\n".join(servers_page(data, read_rows(data["servers"]), read_asked(data["servers"]))),
        "configuration": "\n".join(configuration_page(data)),
        "cli": "\n".join(cli_page(data)),
    }


# -- Markdown -----------------------------------------------------------------------------------------------------

_SPECIAL = re.compile(r"[_*<>{}\[\]\\$|~^#=]|://")
_CODE = re.compile(r"(`[^`]+`)")
_GROUP = re.compile(r"\S*(?:\[[^\[\]]*\]|\{[^{}]*\}|<[^<>\s]*>)\S*|\S+")
_EDGES = re.compile(r"(?P<before>[(\"']*)(?P<token>.*?)(?P<after>[)\"'.,;:!?]*)", re.DOTALL)


def anchor(*parts: str) -> str:
    """An address on a page that HTML, Sphinx and Markdown agree on: lower case, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def prose(text: str) -> str:
    """Text of a docstring or description as Markdown in which nothing is markup but code.

    A word that holds one of Markdown's signs becomes code: that is what such words are in descriptions. The tags of
    a link in HTML are left out.
    """
    text = re.sub(r"</?a(?:\s[^<>]*)?>", "", text.replace("``", "`"))
    pieces = _CODE.split(text) if text.count("`") % 2 == 0 else [text.replace("`", "'")]
    return "".join(piece if piece.startswith("`") and len(piece) > 1 else _words(piece) for piece in pieces)


def _words(text: str) -> str:
    def word(found: re.Match[str]) -> str:
        if not _SPECIAL.search(found[0]):
            return found[0]
        parts = _EDGES.fullmatch(found[0])
        token = parts["token"] if parts else ""
        if not parts or not re.search(r"\w", token) or not _SPECIAL.search(token):
            return re.sub(r"([\\*_\[\]<{}|])", r"\\\1", found[0])
        return f"{parts['before']}`{token}`{parts['after']}"

    return _GROUP.sub(word, text)


def code(text: str) -> str:
    """Text as code, whatever it holds."""
    if "`" in text:
        return f"`` {text} ``"
    return f"`{text}`"


def codes(names: Iterable[str]) -> str:
    """Names as code, with commas between them."""
    return ", ".join(map(code, names))


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table's lines."""
    header = list(header)
    yield f"| {' | '.join(header)} |"
    yield f"| {' | '.join('---' for _ in header)} |"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |".replace("|  |", "| |")


def named(name: str, *anchored: str) -> str:
    """A name as code, with an anchor."""
    return f"[{code(name)}]{{#{anchor(*anchored)}}}"


def role(kind: str, name: str) -> str:
    """A link to a name of the reference."""
    return f"{{{kind}}}`{name}`"


def headed(title: str, target: str, level: int = 3) -> list[str]:
    """A heading with an anchor, and the blank lines around both."""
    return [f"({target})=", "", f"{'#' * level} {title}", ""]


def first_paragraph(doc: str) -> str:
    """What a docstring says before its examples, as one line."""
    return prose(" ".join(re.split(r"\n\s*\n|\n\s*(?:Examples?|Args|Attributes):", doc.strip())[0].split()))


# -- Resources servers --------------------------------------------------------------------------------------------


def read_rows(servers: Mapping[str, Data], path: Path = SERVERS) -> dict[str, Data]:
    """What is written by hand of each resources server.

    Raises:
        ReferenceError: a server has no row, a row has no server, or a row says what no server can.
    """
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    rows, kinds = written.get("server", {}), written.get("pattern", {})
    if missing := sorted(servers.keys() - rows.keys()):
        raise ReferenceError(
            f"{path.name}: {', '.join(missing)}: resources servers of the install without a row. Read what verify() "
            f"looks at, and add `{missing[0]} = {{...}}` with pattern, reward and suits, as the file's head says"
        )
    if stale := sorted(rows.keys() - servers.keys()):
        raise ReferenceError(
            f"{path.name}: {', '.join(stale)}: rows without a resources server in the install. Where one was renamed, "
            "move its row and add the old name to [renamed]; else remove it"
        )
    for name, row in rows.items():
        if unknown := sorted(set(row) - {"pattern", "reward", "suits", "note", "answer"}):
            raise ReferenceError(f"{path.name}: [server] {name} has unknown keys: {', '.join(unknown)}")
        for key in ("pattern", "reward", "suits"):
            if key not in row:
                raise ReferenceError(f"{path.name}: [server] {name} lacks {key}")
        if unknown := sorted({*row["pattern"]} - kinds.keys()):
            raise ReferenceError(f"{path.name}: [server] {name} names patterns that [pattern] lacks: {unknown}")
        if unknown := sorted({*row["suits"]} - {"SFT", "DPO", "RL"}):
            raise ReferenceError(f"{path.name}: [server] {name} suits {unknown}: expected SFT, DPO and RL only")
    for old, new in written.get("renamed", {}).items():
        if old in servers or new.removeprefix("agent:") not in ({*servers} if ":" not in new else {new[6:]}):
            raise ReferenceError(f"{path.name}: [renamed] {old} = {new}: expected an old name and a server of today")
    return written


def read_asked(servers: Mapping[str, Data], path: Path = asking.ASKED) -> dict[str, Data]:
    """What each resources server's ``/verify`` was found to need, or why it was not asked.

    Raises:
        ReferenceError: a server that the file lacks, or one that the install lacks.
    """
    asked = asking.read(path)
    if differing := sorted(servers.keys() ^ asked.keys()):
        raise ReferenceError(
            f"{path.name}: {', '.join(differing)}: in the file or in the install, not in both. "
            "Run nox -s reference -- --asked"
        )
    return asked


def servers_page(data: Data, written: Mapping[str, Any], asked: Mapping[str, Data]) -> Iterator[str]:
    """The generated part of reference/resources-servers.

    Raises:
        ReferenceError: a server was asked and its row does not say what an answer must be, or the other way round.
    """
    servers, rows, patterns = data["servers"], written["server"], written["pattern"]
    names, settings = class_names(data["classes"]), {}
    for path, each in data["classes"].items():
        kind, _, rest = path.partition(".")
        if kind == "resources_servers" and each["role"] == "server":
            settings.setdefault(rest.partition(".")[0], []).append(names[path])
    yield from ["## All servers", "", "```{filter-rows} servers", "```", ""]
    yield from table(
        ("Server", "Domain", "What it is about", "Verifies by", "Reward", "Suits"),
        (
            (
                role("server", name),
                prose(", ".join(one["domains"])),
                _about(one),
                ", ".join(rows[name]["pattern"]),
                rows[name]["reward"],
                ", ".join(rows[name]["suits"]),
            )
            for name, one in servers.items()
        ),
    )
    yield from ["", "## Each server", "", "```{filter-rows} servers", "```", ""]
    for name, one in servers.items():
        yield from _server(name, one, rows[name], patterns, settings.get(name, []), asked[name])
    yield from ["## Names that are gone", ""]
    yield from table(
        ("Old name", "Today"),
        (
            (
                named(old, "server", old),
                f"the agent {code(new[6:])}" if new.startswith("agent:") else role("server", new),
            )
            for old, new in written["renamed"].items()
        ),
    )
    yield ""


def _about(server: Data) -> str:
    """The first sentence of a server's description."""
    return (
        prose(re.split(r"(?<=[a-z)])\. ", server["descriptions"][0])[0].rstrip(".")) if server["descriptions"] else ""
    )


def _server(
    name: str, server: Data, row: Data, patterns: Mapping[str, str], settings: Iterable[str], asked: Data
) -> Iterator[str]:
    yield from headed(name, anchor("server", name))
    about = [prose(each.rstrip(".")) for each in server["descriptions"]]
    if about:
        yield from [f"{'. '.join(about)}.", ""]
    by = ", ".join(f"[{each}]({patterns[each]})" if patterns[each] else each for each in row["pattern"])
    if ("answer" in row) == ("reason" in asked):
        wrong = "has an answer, and the server was not asked" if "answer" in row else "lacks answer: what is scored"
        raise ReferenceError(f"{SERVERS.name}: [server] {name} {wrong}")
    fields = {_place(each): each["required"] for each in server["fields"]}
    needed = [field for field, required in fields.items() if required]
    if "reason" not in asked:
        needed = list(asked["needs"])
    uses = [("benchmark", server["benchmarks"]), ("environment", server["environments"])]
    verified = "yes" if server["verified"] else "no"
    if server["verified_url"]:
        verified += " (" + ", ".join(f"[run]({url})" for url in server["verified_url"]) + ")"
    facts = {
        "Domain": prose(", ".join(server["domains"])),
        "Verifies by": by + (f"; reward {row['reward']}" if row["reward"] else ""),
        "Suits": ", ".join(row["suits"]),
        "Note": row.get("note", ""),
        "Not asked": asked.get("reason", ""),
        "Row needs": _needs(asked) if "reason" not in asked else "",
        "Row needs, by its schema": codes(needed) if "reason" in asked else "",
        "Row may have": codes(field for field in fields if field not in needed),
        "Scores": row.get("answer", "") + _scores_nothing(asked),
        "Agents": codes(server["agents"]),
        "Models beside the policy": codes(server["models"]),
        "Settings": ", ".join(role("setting", each) for each in settings),
        "Datasets": "; ".join(_datasets(server["datasets"])),
        "Used by": "; ".join(f"{kind}{'s' if len(names) > 1 else ''} {codes(names)}" for kind, names in uses if names),
        "Installs": codes(server["requires"]),
        "Verified flag": verified,
        "Source": f"{{source}}`{server['module']}`" if server["has_module"] else "",
    }
    for label, value in facts.items():
        if value:
            yield f"- {label}: {value}"
    yield ""
    if "reason" not in asked:
        yield from _valid_row(asked)


#: What leaving out a field does, as `asking.effect` names it, and in the words of the page.
_WITHOUT = {
    "HTTP 422": "refused with 422 without it",
    "HTTP 500": "crashes with 500 without it",
    "no answer": "no answer without it",
    "a judge is asked": "a judge is asked without it",
    "the judge is asked something else": "read by the judge",
}


def _needs(asked: Data) -> str:
    """The fields that a row must have, by what happens without them."""
    effects: dict[str, list[str]] = {}
    for field, each in asked["needs"].items():
        inner = [other for other in asked["needs"] if other.startswith(f"{field}.")]
        if not inner:  # what holds others is needed because they are
            each = each.replace(asking.TO_NOTHING, "for *I do not know*")
            effects.setdefault(_WITHOUT.get(each, f"{each} without it"), []).append(field)
    said = (
        f"{codes(names)} ({says if len(names) == 1 else re.sub(r'without it$', 'without them', says)})"
        for says, names in effects.items()
    )
    return "; ".join(said) or "nothing beside `responses_create_params`"


def _scores_nothing(asked: Data) -> str:
    """A warning where an answer that solves nothing has a reward above zero too."""
    found = re.fullmatch(r"reward ([\d.]+)", asked.get("nothing", ""))
    return f". The answer *I do not know* has {found[0]} too" if found and float(found[1]) > 0 else ""


def _valid_row(asked: Data) -> Iterator[str]:
    """A row with an output that `/verify` gives the reward for, out of the way in a dropdown."""
    row = json_lines(asked["row"])
    answer = [] if asked["verdict"] == "a judge is asked" else answer_lines(asked["output"])
    if sum(map(len, answer)) > LONGEST_ANSWER:
        answer = []
    title = f"A valid row, and an answer with {asked['verdict']}" if answer else "A valid row"
    if sum(map(len, row)) > LONGEST_ROW:
        yield from [f"A valid row is too long to be shown: {codes(asked['row'])}.", ""]
        return
    yield from [f"::::{{dropdown}} {title}", ""]
    if asked["cut"]:
        yield from ["Long texts and lists in it are cut short, which does not change the verdict.", ""]
    yield from ["```{code-block} json", ":consumer: task row", "", *row, "```", ""]
    if len(answer) == 1 and len(answer[0]) <= 160:
        yield from [f"The answer: {code(answer[0])}", ""]
    elif answer:
        # As JSON, which is judged: a block of text would count as one that nothing judges.
        yield from ["The answer, line by line:", ""]
        yield from ["```{code-block} json", ":consumer: json", "", *json_lines(answer), "```", ""]
    yield from ["::::", ""]


#: The longest row and answer that are shown, in characters.
LONGEST_ROW, LONGEST_ANSWER = 4000, 1600


def answer_lines(output: Iterable[Data]) -> list[str]:
    """What a model put out, as lines: what it says, and its calls as ``name(arguments)``."""
    lines: list[str] = []
    for item in output:
        if item.get("type") == "function_call":
            lines.append(f"{item['name']}({item['arguments']})")
        elif item.get("type", "message") == "message":
            content = item.get("content")
            parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or ()]
            lines += "".join(parts).splitlines()
    return lines


def json_lines(value: Any, indent: str = "", width: int = 88) -> list[str]:
    """JSON as lines: what fits on one stands on one."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(whole) <= width or not isinstance(value, dict | list) or not value:
        return [whole]
    inner = f"{indent}  "
    items = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    lines = []
    for key, each in items:
        name = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
        first, *rest = json_lines(each, inner, width - len(name) if not isinstance(each, dict | list) else width)
        lines += [f"{inner}{name}{first}", *rest]
        lines[-1] += ","
    lines[-1] = lines[-1].removesuffix(",")
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return [opening, *lines, f"{indent}{closing}"]


def _place(field: Data) -> str:
    """A field as rows of today have it: some stand in an object of their own."""
    return f"{field['in']}.{field['name']}" if field["in"] else field["name"]


def _datasets(datasets: Iterable[Data]) -> Iterator[str]:
    """Each place that rows come from once, with its splits and licenses."""
    places: dict[str, list[Data]] = {}
    for each in datasets:
        if each["hub"]:
            place = f"[{each['hub']}](https://huggingface.co/datasets/{each['hub']})"
        elif each["gitlab"]:
            place = f"{code(each['gitlab'])} in NVIDIA's GitLab"
        elif each["split"] == "example":
            place = "in the package"
        else:
            place = "made by a script or from files of your own"
        places.setdefault(place, []).append(each)
    for place, each in places.items():
        splits = ", ".join(dict.fromkeys(one["split"] for one in each if one["split"]))
        licenses = ", ".join(dict.fromkeys(one["license"] for one in each if one["license"]))
        yield f"{splits} {place}" + (f" ({licenses})" if licenses else "")


# -- Settings -----------------------------------------------------------------------------------------------------

#: The sections of the page, in order, with their openings. The first whose rule takes a class has it.
SECTIONS = (
    ("Commands", "What a `gym` command reads from its flags, `+key=value` overrides and configurations."),
    ("Rows and datasets", "What a server's block says of its datasets, and how it names other servers."),
    ("Servers", "What every server's block has, and what NeMo Gym adds when it starts the server."),
    ("The whole system", "Read from the top level of the configuration, by every program."),
    ("Submitting to a cluster", "The file that `gym eval submit --config` reads."),
    ("Agents", "Beside the fields of the base classes: those of each agent's block."),
    ("Models", "Beside the fields of the base classes: those of each model's block."),
    ("Resources servers", "Beside the fields of the base classes: those of each resources server's block."),
    ("Environment servers", "Beside the fields of the base classes: those of each environment server's block."),
)
_FOLDERS = {
    "responses_api_agents": "Agents",
    "responses_api_models": "Models",
    "resources_servers": "Resources servers",
    "environment_servers": "Environment servers",
}
#: Classes that no configuration is read by, in spite of their names or bases.
NOT_READ = frozenset(
    {
        "BaseNeMoGymCLIConfig",  # the root of the commands' classes, without fields
        "BenchmarkConfig",  # made by the program of what it finds
        "GlobalConfigDictParser",
        "GlobalConfigDictParserConfig",  # the parser's own
        "ServerInstanceDisplayConfig",  # printed
        "BaseServerTypeConfig",
        "BaseServerInstanceConfig",
        "ResponsesAPIModelServerInstanceConfig",
        "ResourcesServerInstanceConfig",
        "ResponsesAPIAgentServerInstanceConfig",
        "EnvironmentServerInstanceConfig",
    }
)


def class_names(classes: Mapping[str, Data]) -> dict[str, str]:
    """The name under which each class is documented: its own, with its server's where another has the same."""
    count = Counter(each["name"] for each in classes.values())
    return {
        path: each["name"] if count[each["name"]] == 1 else f"{each['module'].split('.')[1]}.{each['name']}"
        for path, each in classes.items()
    }


def section_of(path: str, each: Data, classes: Mapping[str, Data]) -> str:
    """The section of the page that a class belongs to; "" for none."""
    folder = each["module"].partition(".")[0]
    if each["name"] in NOT_READ:
        return ""
    if folder in _FOLDERS:
        return _FOLDERS[folder]
    if each["module"].startswith("nemo_gym.orchestration"):
        return "Submitting to a cluster"
    if each["role"] == "command" or each["name"] == "UploadRolloutsConfigMixin":
        return "Commands"
    if each["role"] == "server" or each["name"].endswith("ServerTypeConfig"):
        return "Servers"
    if re.search(r"Dataset|ServerRef|Prompt|Identif", each["name"]):
        return "Rows and datasets"
    return "The whole system"


def configuration_page(data: Data) -> Iterator[str]:
    """The generated part of reference/configuration."""
    classes = data["classes"]
    names, hand = class_names(classes), tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    readers: dict[str, list[str]] = {}
    for command, each in data["commands"].items():
        for path in each["classes"]:
            readers.setdefault(path, []).append(f"gym {command}")
    used = set()
    for title, says in SECTIONS:
        yield from [f"## {title}", "", says, ""]
        if title == "The whole system":
            yield from _keys(data["keys"], hand.get("keys", {}))
        here = {path: each for path, each in classes.items() if section_of(path, each, classes) == title}
        plain = []
        for path in sorted(here, key=lambda path: names[path].lower()):
            if not here[path]["fields"] and title in _FOLDERS.values():
                plain.append(path)
                continue
            says_by_hand = hand.get("fields", {}).get(names[path], {})
            used.add(names[path])
            if unknown := sorted(says_by_hand.keys() - here[path]["fields"].keys()):
                raise ReferenceError(f"{SETTINGS.name}: {names[path]} has no fields {', '.join(unknown)}")
            yield from _class(path, here[path], names, readers.get(path, []), says_by_hand, classes)
        if plain:
            listed = (
                f"[{code(names[path])}]{{#{anchor('setting', names[path])}}}{_extends(here[path], names, classes)}"
                for path in plain
            )
            yield from ["Without settings of their own:", "", *(f"- {each}" for each in listed), ""]
    if unknown := sorted(hand.get("fields", {}).keys() - used):
        raise ReferenceError(f"{SETTINGS.name}: no class {', '.join(unknown)}")


def _extends(each: Data, names: Mapping[str, str], classes: Mapping[str, Data]) -> str:
    shown = [base for base in each["bases"] if section_of(base, classes[base], classes)]
    links = [role("setting", names[base]) for base in shown]
    return f", takes the fields of {' and '.join(links)}" if links else ""


def _class(
    path: str,
    each: Data,
    names: Mapping[str, str],
    readers: list[str],
    hand: Mapping[str, str],
    classes: Mapping[str, Data],
) -> Iterator[str]:
    name = names[path]
    yield from headed(name, anchor("setting", name))
    documented = {other for other in classes if section_of(other, classes[other], classes)}
    said = [first_paragraph(each["doc"])] if each["doc"] else []
    kind, _, rest = each["module"].partition(".")
    if kind in _FOLDERS:
        owner = rest.partition(".")[0]
        said.append(f"Of {role('server', owner) if kind == 'resources_servers' else code(owner)}.")
    if readers:
        said.append("Read by " + ", ".join(role("gym", one) for one in readers) + ".")
    if extends := _extends(each, names, classes):
        said.append(f"Also {extends.removeprefix(', ')}.")
    if each["extra"] == "forbid":
        said.append("Unknown keys are an error.")
    said.append(f"Source: {{source}}`{path}`.")
    yield from [" ".join(one if one.endswith(".") else f"{one}." for one in said if one), ""]
    if each["fields"]:
        yield from table(
            ("Setting", "Type", "Default", "Meaning"),
            (
                (
                    named(field, "setting", name, field),
                    _type(one, names, documented),
                    "required" if one["default"] is None else _shown(one["default"]),
                    hand.get(field) or prose(one["says"]),
                )
                for field, one in each["fields"].items()
            ),
        )
        yield ""


def _type(field: Data, names: Mapping[str, str], documented: set[str]) -> str:
    """A field's type, with what its value must be, and links to the classes in it."""
    bounds = f", {field['bounds']}" if field["bounds"] else ""
    links = ", ".join(role("setting", names[path]) for path in field["classes"] if path in documented)
    # A type that is one class, or none, is shown by the link alone.
    shown = code(field["type"])
    if links and re.fullmatch(r"\w+( \| None)?", field["type"]):
        shown, links = links + (" or `None`" if "None" in field["type"] else ""), ""
    return shown + bounds + (f": {links}" if links else "")


def _shown(default: str) -> str:
    """A default as a cell shows it: long ones, such as prompts, are in the source."""
    return code(default) if len(default) <= 60 else "in the source"


def _keys(keys: Mapping[str, Data], hand: Mapping[str, str]) -> Iterator[str]:
    if unknown := sorted(hand.keys() - keys.keys()):
        raise ReferenceError(f"{SETTINGS.name}: [keys] {', '.join(unknown)}: no top-level key of the install")
    yield from headed("Top-level keys", "setting-top-level-keys")
    yield from [
        "The names that a configuration keeps for the program itself: no server can have one of them. A key that a "
        "class below also lists is described there.",
        "",
    ]
    yield from table(
        ("Setting", "Default", "Meaning"),
        (
            (
                named(key, "setting", key),
                code(each["default"]) if each["default"] else "",
                hand.get(key) or prose(each["says"]),
            )
            for key, each in keys.items()
        ),
    )
    yield ""


# -- Commands -----------------------------------------------------------------------------------------------------


def cli_page(data: Data) -> Iterator[str]:
    """The generated part of reference/cli."""
    commands, old = data["commands"], data["old_commands"]
    names = class_names(data["classes"])
    documented = {path for path, each in data["classes"].items() if section_of(path, each, data["classes"])}
    yield from ["## Every command", "", "```{filter-rows} commands and flags", "```", ""]
    yield from headed("gym", "gym")
    yield from ["These flags stand before a command; `--verbose` and `--help` also after any.", ""]
    yield from _command("", commands[""], old, names, documented)
    group = ""
    for name, command in commands.items():
        first = name.partition(" ")[0]
        if first != group and " " in name:
            yield from headed(f"gym {first}", anchor("gym", first))
            if says := data["groups"].get(first):
                yield from [f"{prose(says).rstrip('.')}.", ""]
        group = first
        if name:
            yield from headed(f"gym {name}", anchor("gym", name))
            yield from _command(name, command, old, names, documented)
    yield from ["## Old names", ""]
    yield "Each still works, prints the command to use instead where there is one, and has a twin in `nemo_gym_`."
    yield ""
    yield from table(
        ("Old name", "Command"),
        ((named(each, "gym", each), code(new) if new else "none") for each, new in old.items()),
    )
    yield ""


def _command(
    name: str, command: Data, old: Mapping[str, str], names: Mapping[str, str], documented: set[str]
) -> Iterator[str]:
    said = [f"{prose(command['says']).rstrip('.')}."] if command["says"] else []
    was = [each for each, new in old.items() if new.split(" --")[0] == f"gym {name}"]
    if was:
        said.append(f"Was {', '.join(code(each) for each in was)}.")
    read = [path for path in command["classes"] if path in documented]
    if read:
        links = (role("setting", names[path]) for path in read)
        said.append(f"Settings: {', '.join(links)}.")
    if said:
        yield from [" ".join(said), ""]
    yield from table(
        ("Flag", "Sets", "What it is"),
        (
            (
                _flag(name, flag),
                codes(flag["sets"]) if flag["sets"] else "",
                _flag_says(flag),
            )
            for flag in command["flags"]
        ),
    )
    yield ""


def _flag(command: str, flag: Data) -> str:
    first, *others = sorted(flag["names"], key=lambda each: not each.startswith("--"))
    shown = named(first, "gym", command, first)
    value = f" {code(flag['value'])}" if flag["value"] and not flag["positional"] and not flag["choices"] else ""
    return shown + "".join(f", {code(each)}" for each in others) + value


def _flag_says(flag: Data) -> str:
    says = prose(flag["says"])
    if flag["choices"]:
        says += f" One of {codes(flag['choices'])}."
    if flag["required"]:
        says += " Required."
    return says.strip()


__all__ = ["GENERATED", "ReferenceError", "anchor", "read_rows", "render"]
