"""`gym-rollouts check`: see that rows are sound before you collect or train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray

from gym_rollouts import __version__, gym
from gym_rollouts import options as o
from gym_rollouts.chat_template import ChatTemplate, lost, read_template
from gym_rollouts.commands.session import open_session
from gym_rollouts.errors import Fault, Reject, Unusable
from gym_rollouts.files import Source, open_sources
from gym_rollouts.kinds import KINDS, Row, Unsound, decode, faults, kind_of
from gym_rollouts.lines import ranges, read
from gym_rollouts.messages import Template, render, to_messages
from gym_rollouts.passes import Lines, over_lines
from gym_rollouts.report import FINE, FOUND, NOTHING_USABLE, Report
from gym_rollouts.rollouts import decode as decode_rollout
from gym_rollouts.rollouts import prompt_of, tools_of
from gym_rollouts.writing import format_of
from gym_rollouts.writing.copy import copy_sources
from gym_rollouts.writing.rejects import write_rejects

Target = Optional[Path]
Name = Literal["auto", "tasks", "inputs", "rollouts", "failures", "sft", "preference", "rl"]
#: So many lines are looked at to tell what a file holds.
LOOKED_AT = 200
#: The kinds of rows that a server asks for fields of.
ASKED = ("tasks", "rl", "inputs")


@dataclass
class Checked:
    """What came of a range: of each line its place, its size and a key that equal rows share, or what is wrong."""

    starts: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    keys: NDArray[np.uint64]
    wrong: dict[int, tuple[str, str]]


@dataclass(frozen=True)
class Checks:
    """The work on a range: what its rows are held against."""

    kind: str
    ask: bool
    server: str | None
    own: frozenset[str]
    template: ChatTemplate | None
    reasoning: bool

    def __call__(self, number: int, lines: Lines) -> Checked:
        """Check the lines of a range."""
        starts, sizes, keys, wrong = list[int](), list[int](), list[int](), dict[int, tuple[str, str]]()
        for count, (place, line) in enumerate(lines):
            starts.append(place)
            sizes.append(min(len(line), 0xFFFFFFFF))
            key = 0
            try:
                row = decode(line)
                if found := self.wrong_with(row, line):
                    wrong[count] = found
                elif identity := KINDS[self.kind].key:
                    text = msgspec.json.encode(identity(row), order="sorted")
                    key = int.from_bytes(blake2b(text, digest_size=8).digest(), "little") or 1
            except Unsound as error:
                wrong[count] = ("unreadable" if line.strip() else "blank", str(error))
            except (RecursionError, ValueError, TypeError, msgspec.MsgspecError) as error:
                wrong[count] = ("unreadable", f"cannot be read: {type(error).__name__}")
            keys.append(key)
        return Checked(np.array(starts, np.uint64), np.array(sizes, np.uint32), np.array(keys, np.uint64), wrong)

    def wrong_with(self, row: Row, line: bytes) -> tuple[str, str] | None:
        """The step that finds something wrong with a row, and what."""
        if found := next(faults(self.kind, row), None):
            return "schema", found
        if self.server and self.kind in ASKED and (found := gym.needs(row, self.server)):
            return "server", found
        if self.ask and (found := gym.says(self.kind, row, self.server, self.own)):
            return "nemo-gym", found
        if self.template and (found := self.rendered(row, line)):
            return "template", found
        return None

    def rendered(self, row: Row, line: bytes) -> str | None:
        """What is wrong with the text that the chat template makes of a row."""
        assert self.template
        try:
            for name, messages, tools, prompt in conversations(self.kind, row, line):
                if found := lost(self.template, messages, tools, prompt, self.reasoning):
                    return f"{name}{found}"
        except Unusable as error:
            return f"no conversation for a chat template: {error.reason}"
        return None


def conversations(kind: str, row: Row, line: bytes) -> Iterator[tuple[str, list[Any], Any, bool]]:
    """The conversations of a row for a chat template: a name for it, messages, tools, and whether the model goes on.

    Raises:
        Unusable: it holds none.
    """
    if kind == "sft":
        yield "", row["messages"], row.get("tools"), False
    elif kind == "preference":
        for side in ("chosen", "rejected"):
            yield f"{side}: ", [*row["prompt"], *row[side]], row.get("tools"), False
    elif kind in ("tasks", "inputs", "rl", "rollouts"):
        params = row["responses_create_params"]
        tools = tools_of(msgspec.json.encode(params.get("tools")))
        prompt = prompt_of(msgspec.json.encode(params.get("input")), params.get("instructions"))
        messages = prompt.messages
        if kind == "rollouts":
            messages = [*messages, *to_messages(decode_rollout(line).output)]
        yield "", msgspec.to_builtins(render(messages, Template())), tools, kind != "rollouts"


def check(
    files: Annotated[list[Path], typer.Argument(help="Files of JSON Lines, packed or not; - is standard input.")],
    *,
    kind: Annotated[Name, typer.Option("--kind", help="What the rows are; auto: what their fields tell.")] = "auto",
    server: Annotated[
        Optional[str], typer.Option("--server", help="The resources server of tasks: its fields are asked for, too.")
    ] = None,
    own: Annotated[
        Optional[list[str]], typer.Option("--own", help="A column that the server need not know; repeatable.")
    ] = None,
    template: Annotated[
        Target, typer.Option("--template", help="A model's folder or a .jinja file: render each row with it.")
    ] = None,
    reasoning: Annotated[
        bool, typer.Option("--reasoning/--no-reasoning", help="Whether the text must hold the reasoning, too.")
    ] = True,
    nemo_gym: Annotated[
        bool, typer.Option("--nemo-gym/--no-nemo-gym", help="Whether to ask an installed NeMo Gym, too.")
    ] = True,
    sound: Annotated[Target, typer.Option("--sound", help="Where to write the sound rows, as they are.")] = None,
    rejects: Annotated[Target, typer.Option("--rejects", help="Where to name every faulty line, and why.")] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="At most so many faulty lines are printed.")] = 50,
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    quiet: o.Quiet = False,
) -> Report:
    """Check rows before you collect or train, and name each faulty line.

    Tasks, rollouts, SFT, preference and RL rows are held against the JSON Schemas of NeMo Gym's release, and against
    what a schema cannot say: an answer that is no option, a call without a result, a row that stands twice. Beside an
    installed NeMo Gym its own classes are asked, too. With --template each row is rendered as transformers does, and
    every row that fails, or whose content does not all appear in the text, is named. The exit status is 1 if a row is
    faulty.

    Examples:

        gym-rollouts check tasks.jsonl --server mcqa

        gym-rollouts check sft.jsonl --template Qwen3-8B --sound sound.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or an option cannot be honored.
    """
    version = gym.installed() if nemo_gym else None
    if server:
        gym.check_server(server, version is not None)
    if own and not server:
        raise Fault("--own is for --server: name the server, or leave --own out")
    model = read_template(template) if template else None
    with open_session(files, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet) as session:
        (good,) = session.outputs.claim(sound, "--sound") if sound else (None,)
        if sound:
            format_of(sound, "--sound", [".jsonl"])
        (named,) = session.outputs.claim(rejects, "--rejects") if rejects else (None,)
        sources = open_sources(files, session.spool)
        found: list[Reject] = []
        kinds: dict[str, str] = {}
        kept: list[tuple[int, NDArray[np.uint64], NDArray[np.uint32]]] = []
        lines = 0
        for number, source in enumerate(sources):
            told = kind if kind != "auto" else tell(source)
            kinds[source.name] = told or "unknown"
            if server and told not in (None, *ASKED):
                raise Fault(
                    f"--server {server}: {source.name} has rows of the kind {told}, and a server asks for fields of "
                    "tasks only: leave --server out"
                )
            checks = Checks(told or "tasks", version is not None, server, frozenset(own or ()), model, reasoning)
            parts = [part.result for part in over_lines([source], session.engine, checks, "checking", quiet)]
            checked = join(parts)
            repeated(checked, KINDS[checks.kind].again)
            lines += len(checked.starts)
            found += [
                Reject(source.name, line + 1, step, reason) for line, (step, reason) in sorted(checked.wrong.items())
            ]
            if source.damage:
                found.append(Reject(source.name, len(checked.starts) + 1, "unreadable", source.damage))
            left = np.ones(len(checked.starts), bool)
            left[list(checked.wrong)] = False
            kept.append((number, checked.starts[left], checked.sizes[left]))
        rows = sum(len(starts) for _, starts, _ in kept)
        if good:
            owners = np.concatenate([np.full(len(starts), number, np.int32) for number, starts, _ in kept])
            starts, sizes = (np.concatenate([each[n] for each in kept]) for n in (1, 2))
            copy_sources([str(source.path) for source in sources], owners, starts, sizes, good, session.engine, quiet)
        if named:
            write_rejects(found, named)
    steps = Counter(reject.step for reject in found)
    figures: dict[str, Any] = {
        "lines": lines, "sound": rows, "faulty": len(found), "steps": dict(steps.most_common()), "kinds": kinds,
        "nemo_gym": version,
        "first": [{"file": r.file, "line": r.line, "step": r.step, "reason": r.reason} for r in found[:show]],
    }  # fmt: skip
    said = [f"{reject.file}:{reject.line}: {reject.reason}" for reject in found[:show]]
    if len(found) > show:
        said.append(f"... and {len(found) - show:,} more" + ("" if rejects else ": name --rejects to have all"))
    if any(gym.UNKNOWN in reject.reason for reject in found):
        said.append("a column of your own, which the server need not know, is allowed with --own NAME")
    said += [f"{name}: {told} rows" for name, told in kinds.items()]
    against = f"NeMo Gym {version}" if version else f"the schemas of NeMo Gym {__version__.partition('.post')[0]}"
    said.append(f"{lines:,} lines, {rows:,} sound, {len(found):,} faulty, by {against}")
    if not lines:
        said.append("no line is there to check")
    if sound:
        said.append(f"{sound}: {rows:,} rows")
    return Report(figures, said, FOUND if found else FINE if lines else NOTHING_USABLE)


def tell(source: Source) -> str | None:
    """The kind of most of a file's first rows."""
    votes = Counter[str]()
    lines = (line for span in ranges([source]) for _, line in read(span, source.start))
    for line in islice(lines, LOOKED_AT):
        try:
            if told := kind_of(decode(line)):
                votes[told] += 1
        except Unsound:
            continue
    return votes.most_common(1)[0][0] if votes else None


def join(parts: list[Checked]) -> Checked:
    """The ranges of a source together: their lines numbered on."""
    wrong, count = dict[int, tuple[str, str]](), 0
    for part in parts:
        wrong |= {line + count: found for line, found in part.wrong.items()}
        count += len(part.starts)
    if not parts:
        return Checked(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0, np.uint64), wrong)
    return Checked(
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.keys for part in parts]),
        wrong,
    )


def repeated(checked: Checked, again: str) -> None:
    """Note the rows that say again what a row above them says."""
    keyed = np.flatnonzero(checked.keys)
    _, first, inverse = np.unique(checked.keys[keyed], return_index=True, return_inverse=True)
    above = keyed[first[inverse]]
    for line, before in zip(keyed[above != keyed].tolist(), above[above != keyed].tolist(), strict=True):
        checked.wrong[line] = ("repeated", f"{again} line {before + 1}")
