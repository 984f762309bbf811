"""`gym-rollouts tasks`: your data as task rows of NeMo Gym."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from gym_rollouts import gym
from gym_rollouts import options as o
from gym_rollouts.commands.session import open_session
from gym_rollouts.datasets import expand, rows_of
from gym_rollouts.errors import Fault, Reject, Unusable
from gym_rollouts.files import reason_of
from gym_rollouts.kinds import faults
from gym_rollouts.report import FINE, NOTHING_USABLE, Report
from gym_rollouts.schema import servers
from gym_rollouts.taskrows import PLACE, Recipe, misspelled, survey_letters, task_of, to_tools
from gym_rollouts.writing import format_of
from gym_rollouts.writing.rejects import write_rejects

Texts = Optional[list[str]]
#: What rows may have of their own, so that an option changes nothing.
OWN = {"--system": "a system message", "--tools": "tools"}
THEM = {"--system": "it", "--tools": "them"}


def tasks(
    data: Annotated[
        list[Path],
        typer.Argument(help="Your data: .csv, .tsv, .json, .jsonl, .parquet or .arrow, or the folder of a dataset."),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", help="The task rows to write: .jsonl.")],
    server: Annotated[
        Optional[str], typer.Option("--server", help="The resources server that verifies: its fields are asked for.")
    ] = None,
    question: Annotated[Optional[str], typer.Option("--question", help="The column with the question.")] = None,
    messages: Annotated[Optional[str], typer.Option("--messages", help="The column with chat messages.")] = None,
    mapped: Annotated[
        Texts, typer.Option("--map", help="FIELD=COLUMN: a field of the task from a column; repeatable.")
    ] = None,
    keep: Annotated[Texts, typer.Option("--keep", help="A column to keep under its name; repeatable.")] = None,
    parse: Annotated[Texts, typer.Option("--parse", help="A column whose text is JSON; repeatable.")] = None,
    letters: Annotated[
        bool, typer.Option("--letters", help="Give options their letters, and make the answer one of them.")
    ] = False,
    system: Annotated[Optional[str], typer.Option("--system", help="A system prompt; @FILE is one in a file.")] = None,
    template: Annotated[
        Optional[str], typer.Option("--template", help="The user message, columns in braces: {question}; or @FILE.")
    ] = None,
    tools: Annotated[
        Optional[Path], typer.Option("--tools", help="A JSON file with the tools that the model is offered.")
    ] = None,
    task_source: Annotated[
        Optional[str], typer.Option("--task-source", help="Who verifies the tasks; unset, the server.")
    ] = None,
    agent: Annotated[
        Optional[str], typer.Option("--agent", help="An agent to name in agent_ref, for readers that look there.")
    ] = None,
    split: Annotated[Optional[str], typer.Option("--split", help="The split of a dataset's folder.")] = None,
    encoding: Annotated[
        Optional[str], typer.Option("--encoding", help="The encoding of a CSV file that is not UTF-8, such as cp1252.")
    ] = None,
    nemo_gym: Annotated[
        bool, typer.Option("--nemo-gym/--no-nemo-gym", help="Whether to ask an installed NeMo Gym, too.")
    ] = True,
    rejects: o.Rejects = Path("rejects.jsonl"),
    spool: o.Spool = None,
    quiet: o.Quiet = False,
) -> Report:
    r"""Turn your data into task rows: a request, and the fields that the environment's verifier needs.

    The prompt is a column with a question, or one with chat messages, from which the answer at the end is taken off:
    --map expected_answer=_answer has it. Columns that the server needs are taken by their names, others with --map. In
    a template {question} is the question, {options} are lettered options, and braces around other words stay. With
    --letters an answer is the letter, the text or the number of an option; the column shows from where numbers count.
    Every row becomes a task that `check` passes, or is named with the reason.

    Examples:

        gym-rollouts tasks quiz.csv --server math_with_judge --map expected_answer=answer --output tasks.jsonl

        gym-rollouts tasks mmlu/ --split test --server mcqa --letters --map options=choices --map expected_answer=answer
        --template @prompt.txt --output tasks.jsonl

    Raises:
        Fault: an input is not there or of no known format, an output would destroy something, or an option cannot be
            honored.
    """
    fields = _pairs(mapped or [], keep or [])
    version = gym.installed() if nemo_gym else None
    if server:
        gym.check_server(server, version is not None)
    if question and messages:
        raise Fault("--question and --messages: a prompt comes from one column. Leave one of them out")
    prompt, form = _text("--system", system), _text("--template", template)
    if form is not None and not PLACE.search(form):
        raise Fault("--template: expected a column in braces, such as {question}: else all tasks are alike")
    recipe = Recipe(
        question, messages, fields, tuple(servers().get(server or "", ())), tuple(keep or ()), tuple(parse or ()),
        letters, prompt, form, _tools(tools), task_source or server, agent,
    )  # fmt: skip
    files = expand(data, split, (output, rejects))
    found: list[Reject] = []
    count, rows, columns, seen = 0, 0, Counter[str](), dict[bytes, str]()
    with open_session([*files, *([tools] if tools else [])], spool=spool, quiet=quiet) as session:
        (place,) = session.outputs.claim(output, "--output")
        format_of(output, "--output", [".jsonl"])
        (named,) = session.outputs.claim(rejects, "--rejects")
        if letters:
            survey_letters(_all_rows(files, session.spool / "letters", encoding), recipe)
        with place.open("wb") as out:
            for order, path in enumerate(files):
                folder = session.spool / f"data-{order}"
                folder.mkdir()
                for number, row in rows_of(path, folder, encoding):
                    count += 1
                    try:
                        if isinstance(row, Unusable):
                            raise row
                        columns.update(row.keys())
                        line = _task(row, recipe, server, version is not None)
                        here = f"row {number}" if len(files) == 1 else f"row {number} of {path}"
                        above = seen.setdefault(blake2b(line, digest_size=16).digest(), here)
                        if above is not here:
                            raise Unusable("repeated", f"the same task as {above}")
                    except Unusable as problem:
                        found.append(Reject(str(path), number, problem.step, problem.reason))
                        continue
                    out.write(line + b"\n")
                    rows += 1
        if columns:
            _see_used(recipe, columns, rows)
        write_rejects(found, named)
    unused = sorted(set(columns) - recipe.used)
    steps = Counter(reject.step for reject in found)
    figures: dict[str, Any] = {
        "rows": count, "tasks": rows, "rejected": len(found), "steps": dict(steps), "columns_left_out": unused,
        "needed": list(recipe.needed), "nemo_gym": version,
    }  # fmt: skip
    said = [f"{count:,} rows: {rows:,} tasks, {len(found):,} rejected ({rejects})"]
    said += [f"{reject.file}:{reject.line}: {reject.reason}" for reject in found[:3]]
    if unused:
        said.append(f"columns left out: {', '.join(unused)}. Take one with --map FIELD=COLUMN or --keep COLUMN")
    said += [f"--keep {name}: no row has this column" for name in keep or () if rows and not _there(name, columns)]
    said += recipe.numbers.said() if rows else []
    said += [
        f"{option}: {idle:,} of {count:,} rows have {OWN[option]} of their own, and keep {THEM[option]}"
        for option, idle in recipe.idle.items()
        if idle
    ]
    if not (server or task_source or agent):
        said.append("the tasks name no server: add --server, or give the agent when you collect: gym eval run --agent")
    if not rows:
        said.append("no row is usable: the rejects say why" if count else "no row is usable: there is none")
    said.append(f"{output}: {rows:,} rows")
    return Report(figures, said, FINE if rows else NOTHING_USABLE)


def _all_rows(files: list[Path], spool: Path, encoding: str | None) -> Iterator[dict[str, Any]]:
    """The rows of all files, in a reading of their own.

    Raises:
        Fault: a file can be read once only.
    """
    for order, path in enumerate(files):
        if not path.is_file():
            raise Fault(f"--letters reads the data twice, and {path} can be read once: save it as a file")
        folder = spool / str(order)
        folder.mkdir(parents=True)
        for _, row in rows_of(path, folder, encoding):
            if isinstance(row, dict):
                yield row
        shutil.rmtree(folder)


def _see_used(recipe: Recipe, columns: Counter[str], rows: int) -> None:
    """See that what the options name is there, now that all rows are known.

    Raises:
        Fault: a column that no row has, or a template that no task came from.
    """
    for name in recipe.json:
        if name not in columns:
            near = get_close_matches(name, columns, 1, 0.0)
            raise Fault(f"--parse {name}: no row has this column{f'; did you mean {near[0]}?' if near else ''}")
    if recipe.template is None:
        return
    if wrong := misspelled(recipe.template, columns, recipe.letters):
        raise Fault(
            f"--template: no column is called {wrong[0]!r}; did you mean {wrong[1]!r}? There are: {', '.join(columns)}"
        )
    if rows and "--template" not in recipe.used:
        raise Fault(
            "--template changes nothing: the rows have requests already, or messages that end with no text of the "
            "user. Leave it out"
        )


def _there(name: str, columns: Counter[str]) -> bool:
    """Say whether any row has a column, or for `a.b` the column a."""
    return name in columns or name.partition(".")[0] in columns


def _task(row: dict[str, Any], recipe: Recipe, server: str | None, ask: bool) -> bytes:
    """A row as a line of the output.

    Raises:
        Unusable: why it is no task.
    """
    try:
        made = task_of(row, recipe)
        line = json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise Unusable("unreadable", "a text holds half of a surrogate pair, which UTF-8 cannot hold") from None
    except RecursionError:
        raise Unusable("unreadable", "nested too deeply to be read") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable("unreadable", f"cannot be written as JSON: {error}") from None
    if wrong := next(faults("tasks", made), None):
        raise Unusable("schema", wrong)
    if server and (wrong := gym.needs(made, server)):
        raise Unusable("server", f"{wrong}: --map FIELD=COLUMN says where it is")
    if ask and (wrong := gym.says("tasks", made, server, frozenset(recipe.keep))):
        raise Unusable("nemo-gym", wrong)
    return line


def _pairs(mapped: list[str], keep: list[str]) -> tuple[tuple[str, str], ...]:
    """The fields that --map asks for, each from its column.

    Raises:
        Fault: a field from two columns, of which one would be lost.
    """
    pairs = [_pair(each) for each in mapped]
    asked = [*pairs, *((name, name) for name in keep)]
    for number, (target, column) in enumerate(asked):
        for other, before in asked[:number]:
            if column != before and f"{target}.".startswith(f"{other}.") | f"{other}.".startswith(f"{target}."):
                raise Fault(f"{target} from {column}, and {other} from {before}: a field has one value. Leave one out")
    return tuple(pairs)


def _pair(text: str) -> tuple[str, str]:
    target, sign, column = text.partition("=")
    if not sign or not target.strip() or not column.strip():
        raise Fault(f"--map {text!r}: expected FIELD=COLUMN, such as expected_answer=answer")
    if target.split(".")[0] in ("responses_create_params", "agent_ref", "task_source"):
        raise Fault(f"--map {text!r}: {target} is made by this command. See --question, --agent and --task-source")
    return target.strip(), column.strip()


def _text(option: str, text: str | None) -> str | None:
    """A text of an option: itself, or, behind an @, what a file holds."""
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"{option} {text}: the file cannot be read: {reason_of(error)}") from None


def _tools(path: Path | None) -> tuple[Any, ...]:
    if path is None:
        return ()
    try:
        return to_tools(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise Fault(f"--tools {path}: cannot be read as JSON: {reason_of(error)}") from None
    except Unusable as error:
        raise Fault(f"--tools {path}: {error.reason}") from None
