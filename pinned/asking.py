"""Ask every resources server that can be started here what its ``/verify`` needs of a row, and keep the answers.

    python -m pinned.asking              ask them all, and write docs/_data/servers-asked.json
    python -m pinned.asking --check      ask again whether what that file says is so; fail where it is not
    python -m pinned.asking NAME...      either, for these servers only

A server is asked in a process and a network of its own, one after the other (`pinned.asked_server`). The file has for
each server of the install either the ``reason`` why it was not asked, or a ``row`` of its shipped data, as small as it
may get, with the model's ``output`` and the ``verdict`` on both; in ``nothing`` the verdict on an answer that solves
nothing; and in ``needs`` what happens without each field.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pinned.symbols import pinned_version

ROOT = Path(__file__).resolve().parents[1]
ASKED = ROOT / "docs" / "_data" / "servers-asked.json"

Json = dict[str, Any]


def read(path: Path = ASKED) -> dict[str, Json]:
    """What was found out about each server, by its name."""
    return json.loads(path.read_text(encoding="utf-8"))["servers"] if path.is_file() else {}


def names() -> list[str]:
    """The resources servers of the install.

    Raises:
        RuntimeError: NeMo Gym is not installed, or not the pinned release.
    """
    from pinned.reference_extract import metadata, site_packages

    if (found := metadata.version("nemo-gym")) != pinned_version():
        raise RuntimeError(f"expected nemo-gym {pinned_version()}, found {found} installed")
    root = site_packages() / "resources_servers"
    return sorted(path.name for path in root.iterdir() if path.is_dir() and path.name[0] not in "_.")


# -- What outcomes say --------------------------------------------------------------------------------------------


def verdict(outcome: Json) -> str:
    """An outcome in words; two that differ in what a judge was asked have the same."""
    if "judge" in outcome:
        return "a judge is asked"
    if "late" in outcome:
        return "no answer"
    if "status" in outcome:
        return f"HTTP {outcome['status']}"
    return f"{'masked, ' if 'masked' in outcome else ''}reward {outcome['reward']:g}"


def effect(outcome: Json, whole: Json, steady: bool = True) -> str:
    """What leaving a field out does: the outcome without it in words; "" where it is that of the whole row.

    ``steady`` is whether the whole row twice has the same outcome, to the last word that a judge is asked.
    """
    if verdict(outcome) != verdict(whole):
        return verdict(outcome)
    if steady and "judge" in outcome and outcome["judge"] != whole["judge"]:
        return "the judge is asked something else"
    return ""


def needs(found: Json) -> dict[str, str]:
    """What happens without each field of a row without which something happens."""
    outcome, nothing = found["outcome"], verdict(found["nothing"])
    effects = {}
    for field, each in found["effects"].items():
        said, idle = effect(each, outcome, found["again"] == outcome), verdict(found["idle"][field])
        if said or idle != nothing:
            effects[field] = said or f"{idle} {TO_NOTHING}"
    return effects


#: What is added where a field matters only to an answer that solves nothing.
TO_NOTHING = "for an answer that solves nothing"


def entry(found: Json) -> Json:
    """What is kept of what was found out about one server."""
    if "reason" in found:
        return {"kind": found["kind"], "reason": found["reason"]}
    outcome, again = found["outcome"], found["again"]
    if verdict(outcome) != verdict(again):
        return {"kind": "chance", "reason": "its verdict on one and the same answer differs from one time to the next"}
    return {
        "config": found["config"],
        "verdict": verdict(outcome),
        "nothing": verdict(found["nothing"]),
        "needs": needs(found),
        "cut": found["cut"],
        "row": found["row"],
        "output": found["output"],
        "run_tools": found["tools"],
    }


# -- Ask ----------------------------------------------------------------------------------------------------------


def _called(gym: Any, function: str, name: str, *arguments: Any) -> Json:
    from harness.live import CallError
    from pinned.asked_server import FOUND, PRINTED, cause

    with tempfile.TemporaryDirectory(prefix="ask", ignore_cleanup_errors=True) as directory, _left_as_it_is(name):
        try:
            found = gym.call(f"pinned.asked_server:{function}", name, *arguments, cwd=directory)
        except CallError as error:
            if "did not answer" not in error.args[0]:
                raise
            found = json.loads(Path(directory, FOUND).read_text(encoding="utf-8"))
        if found.get("kind") == "late" or found.get("outcome", {}).get("reward", 1) <= 0:
            # What takes too long, or scores nothing, may have said what it lacks.
            known = cause(Path(directory, PRINTED).read_text(encoding="utf-8", errors="replace"), "to verify")
            found = {"kind": known[0], "reason": known[1]} if known else found
        return found


@contextlib.contextmanager
def _left_as_it_is(name: str) -> Iterator[None]:
    """Remove what a server makes in its own folder, which belongs to the install."""
    from pinned.reference_extract import site_packages

    folder = site_packages() / "resources_servers" / name
    before = {*folder.rglob("*")}
    yield
    for path in sorted({*folder.rglob("*")} - before, reverse=True):
        if "__pycache__" not in path.parts:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def ask(servers: Iterable[str]) -> Iterator[tuple[str, Json]]:
    """What is found out about each server, one after the other."""
    from harness.live import Zygote

    with Zygote() as gym:
        for name in servers:
            yield name, entry(_called(gym, "ask", name))


def check(claims: Mapping[str, Json]) -> Iterator[str]:
    """A line for each claim that is not so, when the servers are asked about the very rows that stand there."""
    from harness.live import Zygote

    with Zygote() as gym:
        for name, said in claims.items():
            if "reason" in said:
                found = entry(_called(gym, "ask", name))
                if found.get("reason") != said["reason"]:
                    now = found.get("reason", "it can be asked")
                    yield f"{name}: not asked, since {said['reason']}: but now {now}"
                continue
            found = _called(gym, "ask_again", name, said["row"], said["output"], said["run_tools"])
            if "reason" in found:
                yield f"{name}: it was asked, and now cannot be: {found['reason']}"
                continue
            if (now := verdict(found["outcome"])) != said["verdict"]:
                yield f"{name}: the row shown: expected {said['verdict']}, found {now}"
            if (now := verdict(found["nothing"])) != said["nothing"]:
                yield f"{name}: an answer that solves nothing: expected {said['nothing']}, found {now}"
            effects = needs(found)
            for field in dict.fromkeys((*said["needs"], *effects)):
                claimed, now = said["needs"].get(field, "no change"), effects.get(field, "no change")
                if claimed != now:
                    yield f"{name}: without `{field}`: expected {claimed}, found {now}"


def written(servers: Mapping[str, Json]) -> str:
    """The file's text."""
    return json.dumps({"version": pinned_version(), "servers": dict(sorted(servers.items()))}, indent=1) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Ask and write, or ask and compare; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.asking", description=__doc__.splitlines()[0])
    parser.add_argument("servers", nargs="*", metavar="NAME", help="a resources server (default: all)")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where what is written is not so")
    options = parser.parse_args(arguments)
    try:
        every = names()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    if unknown := sorted({*options.servers} - {*every}):
        parser.error(f"the install has no resources server {', '.join(unknown)}")
    wanted, kept = options.servers or every, read()
    if options.check:
        if missing := sorted({*wanted} - kept.keys()):
            print(f"{ASKED.name}: {', '.join(missing)}: not there. Run python -m pinned.asking")
            return 1
        faults = 0
        for line in check({name: kept[name] for name in wanted}):
            print(line, flush=True)
            faults += 1
        return 1 if faults else 0
    begun = time.monotonic()
    kept = {name: each for name, each in kept.items() if name in every}
    for name, found in ask(wanted):
        kept[name] = found
        print(f"{name}: {found.get('reason') or found['verdict']}", flush=True)
        ASKED.write_text(written(kept), encoding="utf-8")
    kinds = Counter("not asked, " + each["kind"] if "reason" in each else "asked" for each in kept.values())
    print(f"{time.monotonic() - begun:.0f} s;", ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
