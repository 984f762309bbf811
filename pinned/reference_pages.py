"""The reference pages as Markdown, from what `pinned.reference_extract` finds and what is written by hand.

Each server, class and command has a heading with an anchor, each field and flag a row with one:
``(server-mcqa)=``, ``[`num_repeats`]{#setting-rolloutcollectionconfig-num-repeats}``. The roles of
``docs/_ext/reference.py`` read the names that exist from these very lines.

Each server has a page, with the classes of its settings, and so has each of `GROUPS`, with the other classes. Two
indexes list them. There, the link to an entry has the anchor that the entry had when all stood on that one page:
``[{server}`mcqa`]{#server-mcqa}``. ``docs/_static/site.js`` goes on from there.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinned import asking
from pinned.release_pages import releases_lines

DATA = Path(__file__).resolve().parents[1] / "docs" / "_data"
SERVERS = DATA / "servers.toml"
SETTINGS = DATA / "settings.toml"

#: The line of a page below which everything is generated, and that of a page of which nothing is written by hand.
GENERATED = "% Generated below this line from the installed release: change nothing here, run nox -s reference."
WHOLE = "% Generated from the installed release: change nothing here, run nox -s reference."

#: The two indexes, each also the name of the folder of its pages.
SERVERS_INDEX, SETTINGS_INDEX = "resources-servers", "configuration"
#: What marks a meaning that does not come from the source.
OURS = "*(ours)*"

Data = dict[str, Any]


class ReferenceError(ValueError):
    """What is written by hand does not fit what is installed."""


def render(data: Data) -> dict[str, str]:
    """Each page by its name below ``reference``: the whole page, or what stands below an opening written by hand.

    Raises:
        ReferenceError: a server without a row in ``servers.toml``, a row without a server, or the like.
    """
    settings = settings_of(data)
    written, asked = read_rows(data["servers"]), read_asked(data["servers"])
    parts: dict[str, Iterable[str]] = {
        SERVERS_INDEX: servers_index(data["servers"], written),
        SETTINGS_INDEX: settings_index(settings),
        "cli": cli_page(data),
    }
    parts["releases"] = releases_page(data, settings)
    for group in GROUPS:
        parts[f"{SETTINGS_INDEX}/{group.page}"] = group_page(group, settings)
    for name, server in data["servers"].items():
        parts[f"{SERVERS_INDEX}/{name}"] = server_page(name, server, written, settings, asked[name])
    return {name: "\n".join(lines) for name, lines in parts.items()}


def is_whole(text: str) -> bool:
    """Say whether a rendered page has no opening written by hand."""
    return f"\n{WHOLE}\n" in text


def is_generated(text: str) -> bool:
    """Say whether a program wrote a page, wholly or below its opening."""
    return is_whole(text) or f"\n{GENERATED}\n" in text


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
        yield re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")


def named(name: str, *anchored: str) -> str:
    """A name as code, with an anchor."""
    return f"[{code(name)}]{{#{anchor(*anchored)}}}"


def role(kind: str, name: str) -> str:
    """A link to a name of the reference."""
    return f"{{{kind}}}`{name}`"


def moved(kind: str, name: str) -> str:
    """A link to a name of the reference, with the anchor under which the index once had the entry itself."""
    return f"[{role(kind, name)}]{{#{anchor(kind, name)}}}"


def opening(title: str, job: str, description: str, keywords: Iterable[str], target: str = "") -> Iterator[str]:
    """The beginning of a page of which nothing is written by hand."""
    yield from ["---", "content-type: reference", f"job: {_yaml(job)}", f"description: {_yaml(description)}"]
    yield from [f"keywords: {_yaml(', '.join(keywords))}", "---", "", WHOLE, ""]
    yield from headed(title, target, 1) if target else [f"# {title}", ""]


def _yaml(text: str) -> str:
    """A text as a value of the front matter: plain where it is read as it is written."""
    return json.dumps(text, ensure_ascii=False) if re.search(r": | #|^[^\w]", text) else text


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


def servers_index(servers: Mapping[str, Data], written: Mapping[str, Any]) -> Iterator[str]:
    """The generated part of reference/resources-servers: a row for each server, and the names that are gone."""
    rows = written["server"]
    yield from ["## All servers", "", "```{filter-rows} servers", "```", ""]
    yield from table(
        ("Server", "Domain", "What it is about", "Verifies by", "Reward", "Suits"),
        (
            (
                moved("server", name),
                prose(", ".join(one["domains"])),
                _about(one),
                ", ".join(rows[name]["pattern"]),
                rows[name]["reward"],
                ", ".join(rows[name]["suits"]),
            )
            for name, one in servers.items()
        ),
    )
    yield from ["", "## Names that are gone", ""]
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
    yield from ["", "```{toctree}", ":hidden:", "", *(f"{SERVERS_INDEX}/{name}" for name in servers), "```", ""]


def _about(server: Data) -> str:
    """The first sentence of a server's description."""
    return prose(first_sentence(server["descriptions"][0])) if server["descriptions"] else ""


def server_page(name: str, server: Data, written: Mapping[str, Any], settings: Settings, asked: Data) -> Iterator[str]:
    """The page of a resources server.

    Raises:
        ReferenceError: the server was asked and its row does not say what an answer must be, or the other way round.
    """
    row = written["server"][name]
    if ("answer" in row) == ("reason" in asked):
        wrong = "has an answer, and the server was not asked" if "answer" in row else "lacks answer: what is scored"
        raise ReferenceError(f"{SERVERS.name}: [server] {name} {wrong}")
    was = [old for old, new in written["renamed"].items() if new == name]
    about = re.sub(r"[`*\\]", "", _about(server))
    yield from opening(
        name,
        f"I need to know what rows of {name} need, how it verifies them, and its settings.",
        f"{about + '. ' if about else ''}Row fields, reward, datasets and settings of the resources server {name}.",
        [name, *was],
        anchor("server", name),
    )
    if server["descriptions"]:
        yield from [f"{'. '.join(prose(each.rstrip('.')) for each in server['descriptions'])}.", ""]
    if was:
        yield from [f"Was {codes(was)}.", ""]
    yield from [f"[How to read this page](../{SERVERS_INDEX}.md#how-to-read-the-tables).", ""]
    for title, facts in _facts(server, row, written["pattern"], asked).items():
        yield from [f"## {title}", ""]
        yield from (f"- {label}: {value}" for label, value in facts.items() if value)
        yield ""
        if title == "Rows" and "reason" not in asked:
            yield from _valid_row(asked)
    paths = settings.of_server(name)
    if paths:
        yield from ["## Settings", ""]
    for path in paths:
        yield from _class(path, settings, 3)


def _facts(server: Data, row: Data, patterns: Mapping[str, str], asked: Data) -> dict[str, dict[str, str]]:
    """What is known of a server, by the headings and labels of its page; a label without a value is left out."""
    by = ", ".join(f"[{each}](../{patterns[each]})" if patterns[each] else each for each in row["pattern"])
    fields = {_place(each): each["required"] for each in server["fields"]}
    needed = [field for field, required in fields.items() if required]
    if "reason" not in asked:
        needed = list(asked["needs"])
    uses = [("benchmark", server["benchmarks"]), ("environment", server["environments"])]
    verified = "yes" if server["verified"] else "no"
    if server["verified_url"]:
        verified += " (" + ", ".join(f"[run]({url})" for url in server["verified_url"]) + ")"
    return {
        "Verification": {
            "Domain": prose(", ".join(server["domains"])),
            "Verifies by": by + (f"; reward {row['reward']}" if row["reward"] else ""),
            "Suits": ", ".join(row["suits"]),
            "Note": row.get("note", ""),
        },
        "Rows": {
            "Not asked": asked.get("reason", ""),
            "Row needs": _needs(asked) if "reason" not in asked else "",
            "Row needs, by its schema": codes(needed) if "reason" in asked else "",
            "Row may have": codes(field for field in fields if field not in needed),
            "Scores": row.get("answer", "") + _scores_nothing(asked),
            "Datasets": "; ".join(_datasets(server["datasets"])),
        },
        "Use": {
            "Agents": codes(server["agents"]),
            "Models beside the policy": codes(server["models"]),
            "Used by": "; ".join(
                f"{kind}{'s' if len(names) > 1 else ''} {codes(names)}" for kind, names in uses if names
            ),
            "Installs": codes(server["requires"]),
            "Verified flag": verified,
            "Source": f"{{source}}`{server['module']}`" if server["has_module"] else "",
        },
    }


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
    """A row with an output that `/verify` gives the reward for."""
    row = json_lines(asked["row"])
    answer = [] if asked["verdict"] == "a judge is asked" else answer_lines(asked["output"])
    if sum(map(len, answer)) > LONGEST_ANSWER:
        answer = []
    answered = f", and an answer with {asked['verdict']}" if answer else ""
    yield from [f"## A valid row{answered}", ""]
    if sum(map(len, row)) > LONGEST_ROW:
        yield from [f"It is too long to be shown: {codes(asked['row'])}.", ""]
        return
    if asked["cut"]:
        yield from ["Long texts and lists in it are cut short, which does not change the verdict.", ""]
    yield from ["```{code-block} json", ":consumer: task row", "", *row, "```", ""]
    if len(answer) == 1 and len(answer[0]) <= 160:
        yield from [f"The answer: {code(answer[0])}", ""]
    elif answer:
        # As JSON, which is judged: a block of text would count as one that nothing judges.
        yield from ["The answer, line by line:", ""]
        yield from ["```{code-block} json", ":consumer: json", "", *json_lines(answer), "```", ""]


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


@dataclass(frozen=True)
class Group:
    """Classes with a page of their own.

    Attributes:
        page: its name, below the index.
        title: its title, which the index has as a heading.
        says: what its classes are read from.
        folder: the package of its classes, where they are those of servers.
        owners: of such a package, the first letters of the servers that the page has; "" for all.
    """

    page: str
    title: str
    says: str
    folder: str = ""
    owners: str = ""


_BESIDE = "Beside the fields of the base classes: those of each {}'s block."

#: The pages, in order. The resources servers have their classes on their own pages.
GROUPS = (
    Group(
        "commands", "Commands", "What a `gym` command reads from its flags, `+key=value` overrides and configurations."
    ),
    Group(
        "datasets", "Rows and datasets", "What a server's block says of its datasets, and how it names other servers."
    ),
    Group("servers", "Servers", "What every server's block has, and what NeMo Gym adds when it starts the server."),
    Group("system", "The whole system", "Read from the top level of the configuration, by every program."),
    Group("cluster", "Submitting to a cluster", "The file that `gym eval submit --config` reads."),
    Group("agents-a-g", "Agents, A to G", _BESIDE.format("agent"), "responses_api_agents", "abcdefg"),
    Group("agents-h-o", "Agents, H to O", _BESIDE.format("agent"), "responses_api_agents", "hijklmno"),
    Group("agents-p-z", "Agents, P to Z", _BESIDE.format("agent"), "responses_api_agents", "pqrstuvwxyz"),
    Group("models", "Models", _BESIDE.format("model"), "responses_api_models"),
    Group("environment-servers", "Environment servers", _BESIDE.format("environment server"), "environment_servers"),
)
_RESOURCES_SERVERS = "resources_servers"
_FOLDERS = frozenset({_RESOURCES_SERVERS, *(group.folder for group in GROUPS if group.folder)})
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


def owner_of(each: Data) -> str:
    """The server whose package a class is of; "" where it is NeMo Gym's own."""
    folder, _, rest = each["module"].partition(".")
    return rest.partition(".")[0] if folder in _FOLDERS else ""


def page_of(each: Data) -> str:
    """The page, below ``reference``, that a class is documented on; "" for none.

    Raises:
        ReferenceError: the class is to be documented, and no group takes it.
    """
    folder, owner = each["module"].partition(".")[0], owner_of(each)
    if each["name"] in NOT_READ:
        return ""
    if folder == _RESOURCES_SERVERS:
        return f"{SERVERS_INDEX}/{owner}"
    if folder in _FOLDERS:
        taken = [
            one.page for one in GROUPS if one.folder == folder and owner[0].lower() in (one.owners or owner[0].lower())
        ]
        if not taken:
            raise ReferenceError(f"{each['module']}.{each['name']}: no group of settings takes it: see GROUPS")
        page = taken[0]
    elif each["module"].startswith("nemo_gym.orchestration"):
        page = "cluster"
    elif each["role"] == "command" or each["name"] == "UploadRolloutsConfigMixin":
        page = "commands"
    elif each["role"] == "server" or each["name"].endswith("ServerTypeConfig"):
        page = "servers"
    elif re.search(r"Dataset|ServerRef|Prompt|Identif", each["name"]):
        page = "datasets"
    else:
        page = "system"
    return f"{SETTINGS_INDEX}/{page}"


@dataclass(frozen=True)
class Settings:
    """All that the pages say of settings.

    Attributes:
        classes: each class by its path.
        names: the name under which each is documented.
        pages: the page of each that is documented.
        readers: the commands that read it.
        keys: the top-level keys.
        hand: what is written by hand of ``keys``, by class of ``fields``, and of fields that many classes have.
    """

    classes: Mapping[str, Data]
    names: Mapping[str, str]
    pages: Mapping[str, str]
    readers: Mapping[str, list[str]]
    keys: Mapping[str, Data]
    hand: Mapping[str, Any]

    def on(self, page: str) -> list[str]:
        """The classes of a page, in order of their names."""
        return sorted(
            (path for path, each in self.pages.items() if each == page), key=lambda path: self.names[path].lower()
        )

    def of_server(self, name: str) -> list[str]:
        """The classes of a resources server."""
        return self.on(f"{SERVERS_INDEX}/{name}")


def settings_of(data: Data) -> Settings:
    """What is installed and what is written by hand of settings.

    Raises:
        ReferenceError: something is written of what the install lacks, or a class has no page.
    """
    classes = data["classes"]
    names, hand = class_names(classes), tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    readers: dict[str, list[str]] = {}
    for command, each in data["commands"].items():
        for path in each["classes"]:
            readers.setdefault(path, []).append(f"gym {command}")
    pages = {path: page for path, each in classes.items() if (page := page_of(each))}
    known = {f"{SETTINGS_INDEX}/{group.page}" for group in GROUPS} | {
        f"{SERVERS_INDEX}/{each}" for each in data["servers"]
    }
    if lost := sorted(f"{names[path]} ({page})" for path, page in pages.items() if page not in known):
        raise ReferenceError(f"classes of settings without a page: {', '.join(lost)}")
    if unknown := sorted(hand.get("keys", {}).keys() - data["keys"].keys()):
        raise ReferenceError(f"{SETTINGS.name}: [keys] {', '.join(unknown)}: no top-level key of the install")
    paths = {names[path]: path for path in pages}
    for name, fields in hand.get("fields", {}).items():
        if name not in paths:
            raise ReferenceError(f"{SETTINGS.name}: no class {name}")
        if unknown := sorted(fields.keys() - classes[paths[name]]["fields"].keys()):
            raise ReferenceError(f"{SETTINGS.name}: {name} has no fields {', '.join(unknown)}")
    for key in hand.get("common", {}):
        if not any(_is_common(key, field, each) for path in pages for field, each in classes[path]["fields"].items()):
            raise ReferenceError(f"{SETTINGS.name}: [common] {key}: no field of that name has that class in its type")
    return Settings(classes, names, pages, readers, data["keys"], hand)


def _is_common(key: str, field: str, each: Data) -> bool:
    """Say whether a key of ``[common]``, ``NAME: CLASS``, is of a field."""
    name, _, kind = key.partition(": ")
    return name == field and re.search(rf"\b{re.escape(kind)}\b", each["type"]) is not None


def settings_index(settings: Settings) -> Iterator[str]:
    """The generated part of reference/configuration: each class, and the page that it is on."""
    yield from ["## Classes", "", "```{filter-rows} classes", "```", ""]
    for group in GROUPS:
        page = f"{SETTINGS_INDEX}/{group.page}"
        yield from [f"### {group.title}", "", f"{group.says} All are on [{_title(group)}]({page}.md).", ""]
        if group.page == "system":
            keys = ", ".join(moved("setting", key) for key in settings.keys)
            yield from [f"{moved('setting', KEYS)}: {keys}.", ""]
        yield from table(("Class", "Of" if group.folder else "What it is", "Settings"), _index_rows(page, settings))
        yield ""
    yield from [
        "### Resources servers",
        "",
        f"{_BESIDE.format('resources server')} Each is on the page of its server, which "
        f"[Resources servers]({SERVERS_INDEX}.md) lists.",
        "",
    ]
    owners = sorted(page for page in set(settings.pages.values()) if page.startswith(f"{SERVERS_INDEX}/"))
    yield from table(("Class", "Of", "Settings"), (row for page in owners for row in _index_rows(page, settings)))
    yield from ["", "```{toctree}", ":hidden:", "", *(f"{SETTINGS_INDEX}/{group.page}" for group in GROUPS), "```", ""]


def _index_rows(page: str, settings: Settings) -> Iterator[tuple[str, str, str]]:
    for path in settings.on(page):
        each = settings.classes[path]
        owner = owner_of(each)
        what = _owner(each) if owner else first_sentence(first_paragraph(each["doc"]))
        yield moved("setting", settings.names[path]), what, str(len(each["fields"]))


def first_sentence(text: str) -> str:
    """The first sentence of a text, without its full stop."""
    return re.split(r"(?<=[a-z)`])\. ", text)[0].rstrip(".")


def _owner(each: Data) -> str:
    """The server that a class is of, linked where it has a page."""
    owner = owner_of(each)
    return role("server", owner) if each["module"].startswith(f"{_RESOURCES_SERVERS}.") else code(owner)


def _title(group: Group) -> str:
    return f"Settings: {group.title[0].lower()}{group.title[1:]}"


#: The heading of the keys that no class has.
KEYS = "Top-level keys"


def group_page(group: Group, settings: Settings) -> Iterator[str]:
    """The page of a group of classes."""
    paths = settings.on(f"{SETTINGS_INDEX}/{group.page}")
    yield from opening(
        _title(group),
        f"I need the name, type, default and meaning of a setting ({group.title[0].lower()}{group.title[1:]}).",
        f"{group.says.replace('`', '')} Each class with its fields, types, defaults and meaning.",
        [f"settings of {group.title.lower()}"],
    )
    yield from [f"{group.says} [How to read the tables](../{SETTINGS_INDEX}.md#how-to-read-the-tables).", ""]
    yield from ["```{filter-rows} settings", "```", ""]
    if group.page == "system":
        yield from _keys(settings.keys, settings.hand.get("keys", {}))
    for path in paths:
        yield from _class(path, settings, 2)


def _extends(each: Data, settings: Settings) -> str:
    shown = [base for base in each["bases"] if base in settings.pages]
    links = [role("setting", settings.names[base]) for base in shown]
    return f"takes the fields of {' and '.join(links)}" if links else ""


def _class(path: str, settings: Settings, level: int) -> Iterator[str]:
    """The heading, text and table of a class."""
    each, name = settings.classes[path], settings.names[path]
    hand = settings.hand.get("fields", {}).get(name, {})
    yield from headed(name, anchor("setting", name), level)
    said = [first_paragraph(each["doc"])] if each["doc"] else []
    if owner_of(each) and level == 2:
        said.append(f"Of {_owner(each)}.")
    if readers := settings.readers.get(path):
        said.append("Read by " + ", ".join(role("gym", one) for one in readers) + ".")
    if extends := _extends(each, settings):
        said.append(f"Also {extends}.")
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
                    _type(one, settings),
                    "required" if one["default"] is None else _shown(one["default"]),
                    _meaning(one, hand.get(field) or _common(field, one, settings)),
                )
                for field, one in each["fields"].items()
            ),
        )
        yield ""


def _common(field: str, each: Data, settings: Settings) -> str | None:
    """What is written by hand of a field of many classes, where its source has no meaning of it."""
    found = (text for key, text in settings.hand.get("common", {}).items() if _is_common(key, field, each))
    return None if each["says"] else next(found, None)


def _meaning(each: Data, hand: str | None) -> str:
    """What the source says of a setting; what is written by hand instead is marked."""
    return f"{hand} {OURS}" if hand else prose(each["says"])


def _type(field: Data, settings: Settings) -> str:
    """A field's type, with what its value must be, and links to the classes in it."""
    bounds = f", {field['bounds']}" if field["bounds"] else ""
    links = ", ".join(role("setting", settings.names[path]) for path in field["classes"] if path in settings.pages)
    # A type that is one class, or none, is shown by the link alone.
    shown = code(field["type"])
    if links and re.fullmatch(r"\w+( \| None)?", field["type"]):
        shown, links = links + (" or `None`" if "None" in field["type"] else ""), ""
    return shown + bounds + (f": {links}" if links else "")


def _shown(default: str) -> str:
    """A default as a cell shows it: long ones, such as prompts, are in the source."""
    return code(default) if len(default) <= 60 else "in the source"


def _keys(keys: Mapping[str, Data], hand: Mapping[str, str]) -> Iterator[str]:
    yield from headed(KEYS, anchor("setting", KEYS), 2)
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
                _meaning(each, hand.get(key)),
            )
            for key, each in keys.items()
        ),
    )
    yield ""


# -- Releases -----------------------------------------------------------------------------------------------------


def releases_page(data: Data, settings: Settings) -> Iterator[str]:
    """The page on what changed between releases."""
    commands = {f"gym {name}".strip(): command for name, command in data["commands"].items()}
    flags = {name: [each for flag in command["flags"] for each in flag["names"]] for name, command in commands.items()}
    typed = {*commands, *(f"{name} {flag}" for name, own in flags.items() for flag in own)}

    def shown(name: str) -> str:
        if name in typed:
            return role("gym", name)
        if name in settings.pages:
            return role("setting", settings.names[name])
        if name in data["servers"]:
            return role("server", name)
        return code(name.rpartition(".")[2] if name.startswith("nemo_gym.") else name)

    yield from opening(
        "What changed between releases",
        "I need to know what a release of NeMo Gym brought, and what it took away.",
        "Commands, flags, classes of settings, resources servers and agents that each release of NeMo Gym has and the "
        "one before it lacks, read from the published wheels.",
        ["release notes", "changelog", "what is new", "upgrade", "removed", "version"],
    )
    yield from [
        "For each release, newest first: what its wheel on PyPI has and the wheel before it lacks. It goes by names, "
        "and by the few behaviors that pages of this site speak of. A name that stayed while its default or meaning "
        "changed is not here. Links lead to what the pinned release still has.",
        "",
    ]
    yield from releases_lines(data, settings.pages, shown)


# -- Commands -----------------------------------------------------------------------------------------------------


def cli_page(data: Data) -> Iterator[str]:
    """The generated part of reference/cli."""
    commands, old = data["commands"], data["old_commands"]
    names = class_names(data["classes"])
    documented = {path for path, each in data["classes"].items() if page_of(each)}
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


__all__ = ["GENERATED", "ReferenceError", "anchor", "is_generated", "is_whole", "read_rows", "render"]
