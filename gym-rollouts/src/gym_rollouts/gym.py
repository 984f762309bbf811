"""What an installed NeMo Gym says of a row: its own classes, and the schemas of its resources servers."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gym_rollouts.errors import Fault
from gym_rollouts.schema import servers

Row = dict[str, Any]

#: What is said of columns that a resources server does not know, before its name.
UNKNOWN = "not in the schema of"


def installed() -> str | None:
    """The version of the NeMo Gym that stands beside; None where there is none."""
    try:
        return version("nemo-gym") if importlib.util.find_spec("nemo_gym") else None
    except (PackageNotFoundError, ValueError):
        return None


@lru_cache(maxsize=64)
def schema_of(server: str) -> Any:
    """The schema of a resources server's own fields; None where it has none, or cannot be asked."""
    from nemo_gym.task_data import find_server_dir, load_task_data_schema

    directory = find_server_dir(server)
    return load_task_data_schema(directory) if directory else None


def check_server(server: str, ask: bool) -> None:
    """See that something is known of a resources server.

    Raises:
        Fault: neither an installed NeMo Gym nor this tool knows it.
    """
    if server in servers():
        return
    try:
        known = ask and schema_of(server) is not None
    except Exception as error:
        raise Fault(f"--server {server}: its schema cannot be loaded: {error}") from None
    if not known:
        near = [name for name in servers() if server[:4] in name][:5]
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        where = "" if ask else ". Install NeMo Gym beside this tool to ask its own"
        raise Fault(f"--server {server}: no resources server of that name has a schema{hint}{where}")


def needs(row: Row, server: str) -> str | None:
    """What `/verify` of a server needs and a row lacks, by what was measured with the release of this tool."""
    lacking = [name for name in servers().get(server, ()) if not _has(row, name)]
    return f"{', '.join(lacking)}: missing, and /verify of {server} needs it" if lacking else None


def _has(row: Row, name: str) -> bool:
    """Say whether a row has a field: `a.b` is b within a; what may stand in `verifier_metadata` may stand outside."""
    value: Any = row
    for step in name.split("."):
        if not isinstance(value, dict) or step not in value:
            inner = row.get("verifier_metadata")
            return "." not in name and isinstance(inner, dict) and name in inner
        value = value[step]
    return True


def says(kind: str, row: Row, server: str | None, own: frozenset[str]) -> str | None:
    """What NeMo Gym's own classes have against a row that this tool finds sound. Nothing is raised."""
    from pydantic import ValidationError

    try:
        return _says(kind, row, server, own)
    except ValidationError as error:
        deepest = max(error.errors(), key=lambda detail: len(detail["loc"]))
        place = ".".join(str(part) for part in deepest["loc"] if "[" not in str(part))
        return f"NeMo Gym: {place}: {deepest['msg']}"
    except Exception as error:  # whatever it is, NeMo Gym cannot read the row, and the next row is still to be read
        return f"NeMo Gym cannot read it: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _says(kind: str, row: Row, server: str | None, own: frozenset[str]) -> str | None:
    from nemo_gym.base_resources_server import BaseVerifyResponse
    from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming
    from nemo_gym.task_data import normalize_task_fields

    request = row.get("responses_create_params")
    if isinstance(request, dict):
        if isinstance(request.get("input"), list):  # without a type, a bad message is taken for something else
            typed = [{"type": "message"} | item if isinstance(item, dict) else item for item in request["input"]]
            request = request | {"input": typed}
        NeMoGymResponseCreateParamsNonStreaming.model_validate(request)
    if kind == "rollouts":
        BaseVerifyResponse.model_validate(row)
    if server and kind in ("tasks", "rl", "inputs") and (schema := schema_of(server)) is not None:
        # `gym dataset render` leaves the name of the template.
        columns, _ = normalize_task_fields(
            {name: row[name] for name in row.keys() - own - {"prompt_config_used"} if name[:4] != "_ng_"}
        )
        task = schema.validate_python(columns)
        if unknown := getattr(task, "__pydantic_extra__", None):
            return f"{', '.join(sorted(unknown))}: {UNKNOWN} {server}"
    return None
