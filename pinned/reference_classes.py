"""The classes of an installed NeMo Gym that settings are read by, from its sources alone.

Nothing is imported, so that a server whose requirements are not installed counts too, and any release can be read.
A type stands as today's Python writes it, with the names of unions and enumerations replaced by what they stand for.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

Data = dict[str, Any]
#: What a name stands for in a module: the expression of a union, an enumeration's values.
Aliases = Mapping[str, ast.expr]

#: The folders of the install that hold servers, one in each folder.
KINDS = ("resources_servers", "responses_api_agents", "responses_api_models", "environment_servers")

#: Classes from which every class that a command, or a server's block, is read by derives.
READERS = {"BaseNeMoGymCLIConfig": "command", "BaseServerConfig": "server"}

#: What ``Field`` asks of a value, in words.
BOUNDS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}


@dataclass
class Class:
    """A class as its source says it, with the names of its bases resolved to ``module.Name`` where they can be."""

    module: str
    name: str
    bases: list[str]
    doc: str
    fields: dict[str, Data] = field(default_factory=dict)
    extra: str = ""

    @property
    def path(self) -> str:
        """The dotted name."""
        return f"{self.module}.{self.name}"


def site_packages() -> Path:
    """Where NeMo Gym is installed.

    Raises:
        RuntimeError: it is not.
    """
    spec = util.find_spec("nemo_gym")
    if spec is None or spec.origin is None:
        raise RuntimeError("nemo-gym is not installed in this Python: run this in the test environment")
    return Path(spec.origin).parents[1]


def _sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Each module whose classes count, with its dotted name: NeMo Gym's own, and those at the top of each server."""
    for path in sorted((root / "nemo_gym").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not {"tests", "testing"} & set(parts):
            yield ".".join(part for part in parts if part != "__init__"), path
    for kind in KINDS:
        for path in sorted((root / kind).glob("*/*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if not parts[-1].startswith("test"):
                yield ".".join(part for part in parts if part != "__init__"), path


@cache
def classes() -> Mapping[str, Class]:
    """Every class of the install by its dotted name."""
    modules: dict[str, tuple[ast.Module, list[str], dict[str, str]]] = {}
    exported: dict[str, str] = {}
    aliases: dict[str, ast.expr] = {}
    for module, path in _sources(site_packages()):
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():  # a module's own invalid escapes are not this project's business
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text)
        names = imports(tree, module if path.name == "__init__.py" else module.rpartition(".")[0])
        modules[module] = tree, text.splitlines(), names
        exported |= {f"{module}.{name}": target for name, target in names.items()}
        aliases |= {f"{module}.{name}": value for name, value in _aliases(tree)}
    found: dict[str, Class] = {}
    for module, (tree, lines, names) in modules.items():
        known = {name: aliases[target] for name, target in names.items() if target in aliases}
        known |= {
            name.rpartition(".")[2]: each
            for name, each in aliases.items()
            if name == f"{module}.{name.rpartition('.')[2]}"
        }
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                one = _class(node, module, known, lines)
                found[one.path] = one
    for one in found.values():
        one.bases = [_follow(base, one.module, found, exported) for base in one.bases]
        for each in one.fields.values():
            each["names"] = [_follow(name, one.module, found, exported) for name in each["names"]]
    return found


def _aliases(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that a module gives to types: unions, literals, and enumerations by their values."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id=outer)) as value):
                if outer in ("Union", "Optional", "Literal", "Annotated"):
                    yield name, value
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp(op=ast.BitOr()) as value):
                yield name, value
            case ast.ClassDef(name=name, bases=bases) if any("Enum" in ast.unparse(base) for base in bases):
                values = [each.value for each in node.body if isinstance(each, ast.Assign)]
                if values and all(isinstance(value, ast.Constant) for value in values):
                    literal = ast.Tuple(elts=values, ctx=ast.Load())
                    yield name, ast.Subscript(value=ast.Name(id="Literal"), slice=literal, ctx=ast.Load())


def imports(tree: ast.Module, package: str) -> dict[str, str]:
    """Each name that a module imports, with the dotted name that it stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*up, *([node.module] if node.module else [])])
            names |= {each.asname or each.name: f"{origin}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            names |= {each.asname or each.name: each.name for each in node.names}
    return names


def _follow(name: str, module: str, found: Mapping[str, Class], exported: Mapping[str, str]) -> str:
    """The dotted name of the class that ``name`` stands for in a module; the name as it is where none is known."""
    head, _, rest = name.partition(".")
    for candidate in (f"{module}.{name}", f"{exported.get(f'{module}.{head}', head)}{'.' if rest else ''}{rest}"):
        seen: set[str] = set()
        while candidate in exported and candidate not in found and candidate not in seen:
            seen.add(candidate)
            candidate = exported[candidate]
        if candidate in found:
            return candidate
    return name


def _class(node: ast.ClassDef, module: str, aliases: Aliases, lines: list[str]) -> Class:
    bases = [ast.unparse(base) for base in node.bases if not isinstance(base, ast.Subscript)]
    bases += [ast.unparse(base.value) for base in node.bases if isinstance(base, ast.Subscript)]
    made = Class(module, node.name, bases, ast.get_docstring(node) or "")
    for keyword in node.keywords:
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Constant):
            made.extra = str(keyword.value.value)
    for position, statement in enumerate(node.body):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) if _is_field(name, statement):
                following = node.body[position + 1] if position + 1 < len(node.body) else None
                made.fields[name] = _field(statement, following, aliases, lines)
            case ast.Assign(targets=[ast.Name(id="model_config")], value=ast.Call() as call):
                for keyword in call.keywords:
                    if keyword.arg == "extra" and isinstance(keyword.value, ast.Constant):
                        made.extra = str(keyword.value.value)
    return made


def _is_field(name: str, statement: ast.AnnAssign) -> bool:
    return not name.startswith("_") and name != "model_config" and "ClassVar" not in ast.unparse(statement.annotation)


def _field(statement: ast.AnnAssign, following: ast.stmt | None, aliases: Aliases, lines: list[str]) -> Data:
    """A field: its type and default as the source writes them, and what the source says that it means."""
    default, says = _default(statement.value)
    if not says and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        says = following.value.value if isinstance(following.value.value, str) else ""
    says = says or _comment(statement, lines)
    kind = _type(statement.annotation, aliases)
    return {
        "type": kind,
        "bounds": _bounds(statement.value),
        "default": default,
        "says": " ".join(says.split()),
        "names": sorted(set(re.findall(r"[A-Za-z_][\w.]*", re.sub(r'"[^"]*"', "", kind)))),
    }


def _bounds(value: ast.expr | None) -> str:
    """What ``Field`` asks of a value, in words."""
    keywords = value.keywords if isinstance(value, ast.Call) else []
    asked = {each.arg: ast.unparse(each.value) for each in keywords}
    return ", ".join(words.format(asked[name]) for name, words in BOUNDS.items() if name in asked)


_SHORT = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set"}


def _type(annotation: ast.expr, aliases: Aliases) -> str:
    """A type as today's Python writes it: ``str | None`` for ``Optional[str]``."""

    def inside(part: ast.expr) -> str:
        return _type(part, aliases)

    match annotation:
        case ast.Constant(value=str() as text):
            return inside(ast.parse(text, mode="eval").body)
        case ast.Subscript(value=outer, slice=inner):
            name = ast.unparse(outer).rpartition(".")[2]
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name == "Optional":
                return _union([inside(inner), "None"])
            if name == "Union":
                return _union(map(inside, parts))
            if name == "Annotated":
                return inside(parts[0])
            if name == "Literal":
                return " | ".join(ast.unparse(part).replace("'", '"') for part in parts)
            return f"{_SHORT.get(name, name)}[{', '.join(map(inside, parts))}]"
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _union([inside(left), inside(right)])
        case ast.List(elts=parts):
            return f"[{', '.join(map(inside, parts))}]"
        case ast.Attribute(attr=name):
            return name
        case ast.Name(id=name):
            # Without the name itself: a type may hold itself.
            rest = {other: value for other, value in aliases.items() if other != name}
            return _type(aliases[name], rest) if name in aliases else _SHORT.get(name, name)
    return ast.unparse(annotation)


def _union(parts: Iterable[str]) -> str:
    """Alternatives, each once, ``None`` last."""
    each = dict.fromkeys(name for part in parts for name in ([part] if "[" in part else part.split(" | ")))
    return " | ".join([*(name for name in each if name != "None"), *(["None"] if "None" in each else [])])


def _default(value: ast.expr | None) -> tuple[str | None, str]:
    """The default, None where the field is required, and the description that ``Field`` gives."""
    if value is None:
        return None, ""
    if not (isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Field"):
        return _text(value), ""
    given = {keyword.arg: keyword.value for keyword in value.keywords}
    says = given.get("description")
    said = ""
    if says is not None:
        try:
            said = str(ast.literal_eval(says))
        except ValueError:
            parts = [part.value for part in ast.walk(says) if isinstance(part, ast.Constant)]
            said = "".join(map(str, parts))
    default: str | None = None
    if "default_factory" in given:
        factory = given["default_factory"]
        body = factory.body if isinstance(factory, ast.Lambda) else None
        default = _text(body) if body is not None else f"{ast.unparse(factory)}()"
        default = {"dict()": "{}", "list()": "[]", "set()": "{}"}.get(default, default)
    elif "default" in given or value.args:
        default = _text(given.get("default", value.args[0] if value.args else None))
        default = None if default == "..." else default
    return default, said


def _text(value: ast.expr | None) -> str:
    return " ".join(ast.unparse(value).split()) if value is not None else "None"


def _comment(statement: ast.stmt, lines: list[str]) -> str:
    """The comment at the end of a field's line, or else the lines of comment right above it."""
    last = lines[(statement.end_lineno or statement.lineno) - 1]
    beside = last.encode()[statement.end_col_offset or 0 :].decode().strip()
    if beside.startswith("#"):
        return _prose([beside])
    above = []
    number = statement.lineno - 2
    while number >= 0 and lines[number].strip().startswith("#"):
        above.insert(0, lines[number].strip())
        number -= 1
    return _prose(above)


def _prose(comment: list[str]) -> str:
    """The words of a comment, without those that speak to a program or rule off a section."""
    words = [line.lstrip("#").strip() for line in comment]
    kept = [line for line in words if not re.match(r"(noqa|type:|pragma|fmt:|TODO|-{3,}|={3,}|─)", line)]
    return " ".join(kept)


def ancestors(path: str) -> list[str]:
    """A class and all that it derives from, nearest first; a base outside of the install by its name alone."""
    found: list[str] = []
    todo = [path]
    while todo:
        one = todo.pop(0)
        if one not in found:
            found.append(one)
            todo += classes()[one].bases if one in classes() else []
    return found


def role_of(path: str) -> str:
    """What reads a class: ``command`` or ``server``; ``part`` of another class or of NeMo Gym's own; "" for neither."""
    names = {ancestor.rpartition(".")[2] for ancestor in ancestors(path)}
    for root, role in READERS.items():
        if root in names:
            return role
    one = classes()[path]
    own = one.module.partition(".")[0] == "nemo_gym" and "Config" in one.name and not one.name.startswith("_")
    return "part" if own and "BaseModel" in names else ""


def config_classes() -> dict[str, Data]:
    """Every class that a command or a configuration is read by, and those that they hold, by dotted name.

    Each with ``role`` (`role_of`), ``module``, ``name``, ``bases`` and ``extra`` (what happens to unknown keys),
    ``doc`` and ``fields``; each field with ``type``, ``bounds``, ``default`` (None: required), what the source ``says``
    of it, and the ``classes`` in its type.
    """
    known = classes()
    kept = {path: role for path in known if (role := role_of(path))}
    todo = list(kept)
    while todo:
        one = known[todo.pop()]
        for name in [*one.bases, *(name for each in one.fields.values() for name in each["names"])]:
            if name in known and name not in kept and _holds_settings(name):
                kept[name] = "part"
                todo.append(name)
    return {
        path: {
            "role": kept[path],
            "module": known[path].module,
            "name": known[path].name,
            "bases": [base for base in known[path].bases if base in kept],
            "extra": known[path].extra,
            "doc": known[path].doc,
            "fields": {
                name: {key: value for key, value in each.items() if key != "names"}
                | {"classes": [other for other in each["names"] if other in kept]}
                for name, each in known[path].fields.items()
            },
        }
        for path in sorted(kept)
    }


def _holds_settings(path: str) -> bool:
    one = classes()[path]
    names = {ancestor.rpartition(".")[2] for ancestor in ancestors(path)}
    return bool(one.fields) and "BaseModel" in names and not one.module.startswith("nemo_gym.openai_utils")


def top_level_keys() -> dict[str, Data]:
    """The keys of a configuration that are no server's block and no command's own: `nemo_gym.global_config`'s list.

    Each with its ``default``, where the program sets one, and the comment that stands above its constant.
    """
    text = (site_packages() / "nemo_gym" / "global_config.py").read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    names = imports(tree, "nemo_gym")
    values: dict[str, Data] = {}
    listed: list[str] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() as value)):
                values[name] = {"key": value, "says": _comment(node, lines)}
            case ast.Assign(targets=[ast.Name(id="NEMO_GYM_RESERVED_TOP_LEVEL_KEYS")], value=ast.List(elts=parts)):
                listed = [ast.unparse(part) for part in parts]
    defaults = {
        ast.unparse(node.args[0]): _text(node.args[1])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "global_config_dict.setdefault"
    }
    found: dict[str, Data] = {}
    for name in listed:
        each = values.get(name) or {"key": _constant(names.get(name, name)), "says": ""}
        default = defaults.get(name, "")
        found[each["key"]] = {"default": default if _is_plain(default) else "", "says": each["says"]}
    return found


def _constant(path: str) -> str:
    """The text that a constant of another module stands for; its own name where that is not to be found."""
    module, _, name = path.rpartition(".")
    file = site_packages() / f"{module.replace('.', '/')}.py"
    found = (
        re.search(rf'^{name} = "([^"]+)"', file.read_text(encoding="utf-8"), re.MULTILINE) if file.is_file() else None
    )
    return found[1] if found else name.removesuffix("_KEY_NAME").lower()


def _is_plain(text: str) -> bool:
    """Say whether a default is a value, not an expression of the program's."""
    return bool(re.fullmatch(r"[\w.'\"]+", text)) and not re.fullmatch(
        r"[A-Za-z_.]+", text.replace("True", "1").replace("False", "1")
    )
