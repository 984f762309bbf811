"""One resources server, started as `gym env start` starts it, and asked over HTTP what its ``/verify`` does.

`ask` and `ask_again` run in a process of their own (`harness.live.Zygote.call`), without a network: the server's own
``app.py`` and shipped configuration, served on loopback. Where the configuration names a model beside the policy, its
address is a stub that never answers and keeps what it was asked, so that it is seen when a verdict needs a judge.

An outcome of a request is ``{"reward": 1.0}``, ``{"status": 500, "says": ...}``, ``{"judge": <digest of what the model
was asked>}``, or ``{"late": True}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import itertools
import json
import os
import re
import runpy
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from harness import isolation

Json = dict[str, Any]

#: Seconds: until the server listens, for one request, and for all questions together.
START, REQUEST, QUESTIONS = 60, 20, 90
#: Where what was found out is kept, and what the server prints; what is found of one that did not listen in time.
FOUND, PRINTED = Path("found.json"), Path("printed.txt")
LATE = {"kind": "late", "reason": f"it does not listen within {START} seconds"}
#: How many rows of the shipped data are tried until an answer scores.
ROWS = 5
#: Of how many rows that score it is looked at which fields matter, and how many answers are tried for one row.
GOOD, ANSWERS = 3, 60
#: After how many answers that go to a judge a row is given up: most servers ask one only where no rule decides.
JUDGED = 12

#: How many lists and texts of a row are tried shorter.
CUTS = 60

#: Of a row, what the framework reads: left out of every row that is asked about or shown.
FRAMEWORK = ("agent_ref", "task_source", "_ng_task_index", "_ng_rollout_index", "_ng_rollout_id")
#: Of a request to the model, what a reader needs to see; all else is left out of a shown row where nothing changes.
SEEN_BY_THE_MODEL = ("input", "instructions", "tools")


class NotAsked(Exception):
    """The server cannot be asked here. The message says why, as a part of a sentence; ``kind`` is a word for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# -- Start --------------------------------------------------------------------------------------------------------


def configuration(folder: Path, model: Json) -> tuple[str, str, Json]:
    """The shipped configuration of a server, with the file's name, the instance's, and its block.

    ``model`` (host and port) stands in for each model's server that the block names.

    Raises:
        NotAsked: there is none, or it lacks a value that only its user has.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    policy = {"policy_base_url": "", "policy_api_key": "", "policy_model_name": ""}
    paths = sorted((folder / "configs").glob("*.yaml"), key=lambda path: (path.stem != folder.name, path.name))
    for path in paths:
        whole = OmegaConf.merge(OmegaConf.load(path), policy)
        for instance in list(whole):
            with contextlib.suppress(OmegaConfBaseException, AttributeError, KeyError, TypeError):
                block = whole[instance]["resources_servers"][folder.name]
                if block is None or "entrypoint" not in block:
                    continue
                break
        else:
            continue
        for reference in _references(block):
            if OmegaConf.is_missing(reference, "name"):
                reference["name"] = "policy_model"
        try:
            plain = OmegaConf.to_container(block, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            key = re.search(r"(?:Interpolation key |Environment variable |value: )'?([\w.]+)'?", str(error))
            name = key[1].rpartition(".")[2] if key else error.full_key
            raise NotAsked("setting", f"its configuration wants a value for `{name}`") from None
        models = {"policy_model", *(str(each["name"]) for each in _references(block))}
        blocks: Json = {name: {"responses_api_models": {"openai_model": model}} for name in sorted(models)}
        return path.name, str(instance), {**blocks, str(instance): {"resources_servers": {folder.name: plain}}}
    raise NotAsked("no server", "it ships no configuration of its own to start it with")


def _references(block: Any) -> Iterator[Any]:
    """What names a model's server in a block."""
    from omegaconf import DictConfig, ListConfig, OmegaConf

    if isinstance(block, DictConfig):
        if not OmegaConf.is_missing(block, "type") and block.get("type") == "responses_api_models":
            yield block
            return
        for key in block:
            if not OmegaConf.is_missing(block, key) and not OmegaConf.is_interpolation(block, key):
                yield from _references(block[key])
    elif isinstance(block, ListConfig):
        for each in block:
            yield from _references(each)


def started(name: str, questions: Callable[[Server], Awaitable[Json]], *, openly: bool = False) -> Json:
    """Start a server and ask it ``questions``; what they return, or ``{"reason": ...}`` where it cannot be asked.

    What was found out is in the file `FOUND` of the current directory too, since a server that does not end in time is
    ended together with this process. ``openly``: it may be asked where the system cannot shut the network off.
    """
    if isolation.isolate() != isolation.ISOLATED and not openly:
        raise RuntimeError(f"a server is asked without a network only: {os.environ[isolation.VARIABLE]}")
    FOUND.write_text(json.dumps(LATE), encoding="utf-8")
    with PRINTED.open("wb") as printed:
        sys.stdout.flush()
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(START)
    try:
        return _run(name, questions)
    except NotAsked as error:
        return {"kind": error.kind, "reason": str(error)}
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit):  # the reason has been printed
            lines = re.findall(
                r"^(?:\w+\.)*(\w*(?:Error|Exception)\b.*)", PRINTED.read_text(errors="replace"), re.MULTILINE
            )
            said = lines[-1] if lines else said
        kind, reason = why(said)
        return {"kind": kind, "reason": reason}
    finally:
        signal.alarm(0)
        from nemo_gym.server_utils import maybe_ray_cluster_exit

        maybe_ray_cluster_exit()


def _late(*_: object) -> None:
    """End this process at once: a thread that a server has started may keep any gentler end waiting."""
    os._exit(1)


#: What an error's text says about the cause, as a pattern, a word, and a part of a sentence.
CAUSES = (
    (r"No module named '(?P<what>[\w.]+)'", "package", "it needs the module `{}`, which this site does not install"),
    (r"(?P<what>\w+) is required .*not found on PATH", "program", "it needs the program `{}` on `PATH`"),
    (r"validation errors? for \w+Config (?P<what>\w+)", "setting", "its configuration wants a value for `{}`"),
    (r"(?P<what>[A-Z_]{4,}) must be set", "setting", "it wants a value for `{}` in its environment"),
    (r"resource request \{[^}]*'GPU'|CUDA", "gpu", "it needs a GPU"),
    (r"[Ss]andbox|apptainer|singularity|docker", "sandbox", "it needs a sandbox for each task"),
    (r"'git', 'clone'.*?github\.com/(?P<what>[\w.-]+/[\w-]+)", "network", "it clones `{}` from GitHub to start"),
    (r"git clone", "network", "it clones a repository to start"),
    (r"FileNotFoundError.*?resources_servers/\w+/(?P<what>[\w./-]+)", "data", "it needs `{}`, which is not shipped"),
    (
        r"name resolution|Network is unreachable|Cannot connect to host|ConnectError|getaddrinfo|Max retries",
        "network",
        "it needs the network{}",
    ),
)


def cause(text: str, when: str = "to start") -> tuple[str, str] | None:
    """A word and a part of a sentence for the cause that a text speaks of; None where it speaks of no known one."""
    text = _plain(text)
    for pattern, kind, says in CAUSES:
        if found := re.search(pattern, text):
            return kind, says.format(found.groupdict().get("what", f" {when}"))
    return None


def _plain(text: str) -> str:
    """A text in one line, without the quoting of a representation."""
    return " ".join(re.sub(r"\\+(?=['\"])", "", text).split())


def why(text: str, when: str = "to start") -> tuple[str, str]:
    """A word and a part of a sentence for the cause of a failure, which do not depend on the machine."""
    if known := cause(text, when):
        return known
    text = _plain(text)
    text = re.sub(r"/\S*?/(?=site-packages/|resources_servers/)(?:site-packages/)?", "", text)
    doing = "it does not start" if when == "to start" else "`/verify` refuses each row that it ships"
    return "start" if when == "to start" else "rows", f"{doing}: {textwrap.shorten(text, 160, placeholder=' ...')}"


def _run(name: str, questions: Callable[[Server], Awaitable[Json]]) -> Json:
    import uvicorn
    from nemo_gym import PARENT_DIR, global_config, server_utils
    from omegaconf import OmegaConf

    folder = PARENT_DIR / "resources_servers" / name
    model = {"entrypoint": "app.py", "host": "127.0.0.1", "port": 9001}
    if not (folder / "app.py").is_file():
        raise NotAsked("no server", "it has no `app.py` to start")
    file, instance, blocks = configuration(folder, model)
    block = blocks[instance]["resources_servers"][name]
    block |= {"host": "127.0.0.1", "port": 9002}
    if block.get("num_workers"):
        block["num_workers"] = 1
    parsed = global_config.GlobalConfigDictParser().parse(
        global_config.GlobalConfigDictParserConfig(
            initial_global_config_dict=OmegaConf.create(blocks), skip_load_from_cli=True, skip_load_from_dotenv=True
        )
    )
    os.environ[global_config.NEMO_GYM_CONFIG_DICT_ENV_VAR_NAME] = OmegaConf.to_yaml(parsed)
    os.environ[global_config.NEMO_GYM_CONFIG_PATH_ENV_VAR_NAME] = instance
    # Ray looks here for a cluster that it could join, and another's must not be found.
    os.environ["RAY_TMPDIR"] = str(Path.cwd())
    found: Json = {}
    work = Path.cwd()

    def serve(app: Any, **settings: Any) -> None:
        http = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=9002, log_level="warning"))

        def ask() -> None:
            found.update({"config": file, **_questioned(http, folder, questions)})
            (work / FOUND).write_text(json.dumps(found), encoding="utf-8")
            signal.alarm(10)
            http.should_exit = http.force_exit = True

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        http.run()
        thread.join(1)

    uvicorn.run = serve
    server_utils.SimpleServer.prefix_server_logs = lambda self: None
    sys.path.insert(0, str(folder))
    # Not what this machine has beside the lock: where a server looks for a program, it does so alike everywhere.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.prefix, "bin")), os.defpath])
    os.chdir(folder)
    try:
        runpy.run_path(str(folder / "app.py"), run_name="__main__")
    finally:
        os.chdir(work)
    return found or {"kind": "start", "reason": "it ends before it can be asked"}


def _questioned(http: Any, folder: Path, questions: Callable[[Server], Awaitable[Json]]) -> Json:
    """Wait until the server listens, ask, and end it."""
    while not http.started:
        time.sleep(0.02)
    signal.alarm(QUESTIONS + 15)
    return asyncio.run(_ask_all(folder, questions))


async def _ask_all(folder: Path, questions: Callable[[Server], Awaitable[Json]]) -> Json:
    server = Server(folder)
    stub = await asyncio.start_server(server.judge, "127.0.0.1", 9001)
    async with stub:
        try:
            return await asyncio.wait_for(questions(server), QUESTIONS)
        except NotAsked as error:
            return {"kind": error.kind, "reason": str(error)}
        except TimeoutError:
            return {"kind": "late", "reason": f"its answers take more than {QUESTIONS} seconds"}


# -- Ask ----------------------------------------------------------------------------------------------------------


class Server:
    """A server that listens, and the stub of a model beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked_model: list[str] = []
        self.judged = asyncio.Event()

    async def judge(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep what a model is asked, and never answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.asked_model.append(hashlib.sha256(body).hexdigest()[:16])
        self.judged.set()
        with contextlib.suppress(Exception):
            await reader.read()
        writer.close()

    async def verdict(self, row: Json, output: list[Json], tools: bool = False) -> Json:
        """The outcome of ``/verify`` for a row and what the model put out, in a session seeded with the row."""
        import httpx

        self.judged.clear()
        self.asked_model.clear()
        async with httpx.AsyncClient(base_url="http://127.0.0.1:9002", timeout=REQUEST) as client:
            task = asyncio.create_task(self._verdict(client, row, output, tools))
            judged = asyncio.create_task(self.judged.wait())
            await asyncio.wait({task, judged}, return_when=asyncio.FIRST_COMPLETED, timeout=REQUEST)
            judged.cancel()
            if self.judged.is_set() and not task.done():
                await asyncio.sleep(0.05)  # some ask for several opinions at once
                task.cancel()
                return {"judge": hashlib.sha256("".join(sorted(self.asked_model)).encode()).hexdigest()[:16]}
            if not task.done():
                task.cancel()
                return {"late": True}
            return task.result()

    async def _verdict(self, client: Any, row: Json, output: list[Json], tools: bool) -> Json:
        import httpx

        try:
            row = row | {"_ng_task_index": 0, "_ng_rollout_index": 0}  # as a collection numbers them
            seeded = await client.post("/seed_session", json=row)
            if seeded.status_code >= 400 and seeded.status_code != 404:
                return {"status": seeded.status_code, "says": _says(seeded)}
            items = []
            for item in output:
                if tools and item.get("type") == "function_call_output":
                    continue
                items.append(item)
                if tools and item.get("type") == "function_call":
                    result = await client.post(f"/{item['name']}", json=json.loads(item["arguments"]))
                    items.append({"type": "function_call_output", "call_id": item["call_id"], "output": result.text})
            answer = await client.post("/verify", json=row | {"response": response(items)})
        except httpx.TimeoutException:
            return {"late": True}
        except (httpx.HTTPError, ValueError) as error:
            return {"status": 500, "says": type(error).__name__}
        if answer.status_code >= 400:
            return {"status": answer.status_code, "says": _says(answer)}
        try:
            body = answer.json()
            found: Json = {"reward": round(float(body["reward"]), 6)}
        except (ValueError, TypeError, KeyError):
            return {"status": answer.status_code, "says": "no reward"}
        if body.get("mask_sample"):
            found["masked"] = " ".join(str(body.get("failure_reason") or body.get("failure_kind") or "").split())[:200]
        return found


def _says(answer: Any) -> str:
    """What a refusal says, in one line."""
    if answer.status_code == 422:
        with contextlib.suppress(Exception):
            each = answer.json()["detail"][0]
            place = ".".join(str(part) for part in each["loc"][1:])
            return f"{place}: {each['msg']}"
    return " ".join(answer.text.split()).strip('"')[:160]


def response(output: list[Json]) -> Json:
    """A whole response of a model that put out these items."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "made-up",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def said(text: str) -> Json:
    """An output item in which the model says ``text``."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


#: An answer that solves no task.
NOTHING = [said("I do not know.")]


def called(name: str, arguments: Any) -> Json:
    """An output item in which the model calls the tool ``name``."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": "function_call", "call_id": "call_1", "name": name, "arguments": text}


# -- Rows and answers that score ----------------------------------------------------------------------------------


def shipped(folder: Path) -> list[Json]:
    """The example rows that a server ships, smallest first."""
    rows = []
    for path in sorted((folder / "data").glob("example*.jsonl"), key=lambda path: (path.stem != "example", path.name)):
        if not re.search(r"rollouts|materialized|prepare|profiling", path.stem):
            rows += _lines(path)
        if rows:
            break
    return sorted(({k: v for k, v in row.items() if k not in FRAMEWORK} for row in rows), key=_size)


def rolled_out(folder: Path, rows: list[Json]) -> list[tuple[Json, list[Json]]]:
    """The shipped rollouts, the best first: the row in each, with the fields of example rows, and its output."""
    names = {"responses_create_params", *(name for row in rows for name in row)}
    found = []
    for each in sorted(_lines(folder / "data" / "example_rollouts.jsonl"), key=lambda each: -(each.get("reward") or 0)):
        output = (each.get("response") or {}).get("output")
        if output and "responses_create_params" in each:
            found.append(({name: value for name, value in each.items() if name in names}, output))
    return found[:ROWS]


def _lines(path: Path) -> list[Json]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict)]


def _size(value: Any) -> int:
    return len(json.dumps(value))


#: Answers that neither shipped rollouts nor a row's fields give as they are, by server.
BY_HAND: dict[str, Callable[[Json], list[Json]]] = {
    # It compares what its tools returned with the row's numbers, and looks at nothing else.
    "math_advanced_calculations": lambda row: [
        item
        for number in json.loads(row["ground_truth"])
        for item in (
            called("add", {"a": number, "b": 0}),
            {"type": "function_call_output", "call_id": "call_1", "output": json.dumps({"solution": number})},
        )
    ],
    # No item at all satisfies the schema of a list.
    "structured_outputs": lambda row: [called(row["tool_name"], {str(row.get("tool_payload_key")): []})],
}


def answers(name: str, row: Json, rollouts: list[tuple[Json, list[Json]]]) -> Iterator[list[Json]]:
    """Outputs of a model that may score for a row of a server.

    One made by hand, those of shipped rollouts, then such as the row itself expects.
    """
    if name in BY_HAND:
        yield BY_HAND[name](row)
    texts = _texts(row["responses_create_params"].get("input"))
    for same in (True, False):
        for of, output in rollouts:
            if (_texts(of["responses_create_params"].get("input")) == texts) is same:
                yield output
    for value in expected(row):
        calls = value if isinstance(value, list) else [value]
        if calls and all(isinstance(call, dict) and call.get("name") and "arguments" in call for call in calls):
            yield [called(str(call["name"]), call["arguments"]) for call in calls]
            continue
        texts = [value] if isinstance(value, str) else [json.dumps(value)]
        if isinstance(value, list) and value and isinstance(value[0], str | int | float):
            texts += [str(value[0]), ", ".join(map(str, value))]
        if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
            texts.append(f"[{', '.join(map(str, value))}]")
        for text in texts:
            for form in FORMS:
                yield [said(form.format(text))]
    yield [said("Yes.")]


#: How a right result may have to be written.
FORMS = (
    "{}",
    "\\boxed{{{}}}",
    "Answer: {}",
    "Final Answer: {}",
    "The answer is {}",
    "The best answer is {}",
    "<answer>{}</answer>",
    "```python\n{}\n```",
    "```sql\n{}\n```",
    "```json\n{}\n```",
)
_EXPECTED = re.compile(r"answer|expected|target|label|solution|truth|canonical|reference|ideal|gold|correct|output")


def expected(row: Json) -> Iterator[Any]:
    """What a row has under names that speak of right results."""
    places = [row, row.get("verifier_metadata"), row.get("metadata"), row.get("verifier")]
    for place in places:
        for name, value in place.items() if isinstance(place, dict) else ():
            if _EXPECTED.search(name.lower()) and isinstance(value, str | int | float | list | dict) and value != "":
                yield str(value) if isinstance(value, int | float) else value


def _texts(value: Any) -> list[str]:
    """The texts of an input, whatever its items' form."""
    if isinstance(value, str):
        return [value]
    found = []
    for item in value if isinstance(value, list) else ():
        content = item.get("content") if isinstance(item, dict) else None
        found += (
            [content]
            if isinstance(content, str)
            else [str(part.get("text")) for part in content or () if isinstance(part, dict)]
        )
    return found


def is_good(outcome: Json) -> bool:
    """Whether an answer scores: a reward above zero that counts."""
    return outcome.get("reward", 0) > 0 and "masked" not in outcome


async def questions(server: Server) -> Json:
    """All that is asked of one server.

    Raises:
        NotAsked: no row of the shipped data gets a verdict.
    """
    rows = shipped(server.folder)[:ROWS]
    if not rows:
        raise NotAsked("rows", "it ships no rows to ask it with")
    row, output, tools, outcome = await _base(server, rows)
    if outcome.get("status") == 404:
        raise NotAsked("no server", "it has no `/verify`: its agent plays it through `/reset` and `/step`")
    if "status" in outcome:
        raise NotAsked(*why(f"HTTP {outcome['status']}: {outcome['says']}", "to verify"))
    if "late" in outcome:
        raise NotAsked("late", f"`/verify` does not answer within {REQUEST} seconds")
    if "masked" in outcome:
        raise NotAsked(*why(f"masked: {outcome['masked']}", "to verify"))
    if outcome.get("reward", 1) <= 0 and isolation.attempts():
        raise NotAsked("network", "it needs the network to verify")
    if "judge" in outcome and "judge" in (simple := await server.verdict(row, NOTHING)):
        output, outcome, tools = NOTHING, simple, False  # which answer a judge is asked about changes no row
    output = await shortest(server, row, output, tools, outcome)
    whole, small = await smallest(server, row, output, tools, outcome)
    claims = await claimed(server, small, output, tools)
    return claims | {"row": small, "output": output, "tools": tools, "cut": small != whole}


async def claimed(server: Server, row: Json, output: list[Json], tools: bool) -> Json:
    """What is claimed of a row and an output: the outcome, twice, and that of an answer that solves nothing.

    And both for the row without each of its fields, in ``effects`` and ``idle``.
    """
    return {
        "outcome": await server.verdict(row, output, tools),
        "again": await server.verdict(row, output, tools),
        "nothing": await server.verdict(row, NOTHING),
        "effects": {field: await server.verdict(without(row, field), output, tools) for field in fields(row)},
        "idle": {field: await server.verdict(without(row, field), NOTHING) for field in fields(row)},
    }


Base = tuple[Json, list[Json], bool, Json]


async def _base(server: Server, rows: list[Json]) -> Base:
    """A row, an output, whether its tools are run, and the outcome.

    One with an answer that scores; else one that a model is asked about; else any with a verdict. Of several rows that
    score, it is the one of which most fields matter, as a row may have what the server takes for granted; before that
    one on which no answer scores that solves nothing.
    """
    rollouts = rolled_out(server.folder, rows)
    good: list[Base] = []
    others: list[tuple[float, Base]] = []
    tries = [(row, answers(server.folder.name, row, rollouts)) for row in rows] + [
        (row, iter([output])) for row, output in rollouts
    ]
    for number, (row, outputs) in enumerate(tries):
        judged, late = (sum(kind in outcome for _, (*_, outcome) in others) for kind in ("judge", "late"))
        if len(good) == GOOD or (good and number >= len(rows)) or judged > 2 * JUDGED or late > 1:
            break
        if found := await _best(server, row, outputs, others):
            good.append(found)
    if not good:
        return min(others, key=lambda each: each[0])[1]
    matter = []
    for row, output, tools, outcome in good:
        effects = [await server.verdict(without(row, field), output, tools) for field in fields(row)]
        idle = await server.verdict(row, NOTHING)
        matter.append((idle != outcome, sum(effect != outcome for effect in effects)))
    return good[matter.index(max(matter))]


async def _best(
    server: Server, row: Json, outputs: Iterator[list[Json]], others: list[tuple[float, Base]]
) -> Base | None:
    """The first output that scores for a row; what the others come to is added to ``others``, with a rank."""
    late = judged = 0
    for output in itertools.islice(outputs, ANSWERS):
        calls = any(item.get("type") == "function_call" for item in output)
        for tools in (False, True) if calls else (False,):
            outcome = await server.verdict(row, output, tools)
            if is_good(outcome):
                return row, output, tools, outcome
            kinds = ("judge", "masked", "reward", "late", "status")
            rank = next(number for number, kind in enumerate(kinds) if kind in outcome)
            # A verdict that counts comes before one that is masked. Where none is above zero, one a little below it
            # shows most: a distance from known scores that are left out is none, which is the best there is.
            below = -outcome.get("reward", 0)
            rank = 2.5 if rank == 1 else rank - (1 / (1 + below) if below > 0 else 0)
            others.append((rank, (row, output, tools, outcome)))
            late += "late" in outcome
            judged += "judge" in outcome
        if late > 1 or judged > JUDGED:
            break
    return None


def fields(row: Json) -> Iterator[str]:
    """The fields of a row that can be left out: at its top, and those of ``verifier_metadata``."""
    for name, value in row.items():
        if name != "responses_create_params":
            yield name
            if name == "verifier_metadata" and isinstance(value, dict):
                yield from (f"verifier_metadata.{key}" for key in value)


def without(row: Json, *names: str) -> Json:
    """A row without some of its fields."""
    row = copy.deepcopy(row)
    for name in names:
        outer, _, inner = name.partition(".")
        if inner:
            row.get(outer, {}).pop(inner, None)
        else:
            row.pop(outer, None)
    return row


# -- The smallest row ---------------------------------------------------------------------------------------------


async def shortest(server: Server, row: Json, output: list[Json], tools: bool, outcome: Json) -> list[Json]:
    """The output with less of it, as long as the outcome stays the same."""
    attempts = [lambda items: [item for item in items if item.get("type") != "reasoning"], lambda items: items[-1:]]
    for parts in (r"\n\s*\n", r"\n", r"(?<=\.) "):
        attempts.append(lambda items, parts=parts: [*items[:-1], *_last_part(items[-1:], parts)])
    for attempt in attempts:
        candidate = attempt(output)
        if candidate and candidate != output and await server.verdict(row, candidate, tools) == outcome:
            output = candidate
    return output


def _last_part(items: list[Json], parts: str) -> list[Json]:
    text = text_of(items)
    last = re.split(parts, text.strip())[-1].strip()
    return [said(last)] if last and text else items


def text_of(output: list[Json]) -> str:
    """What the model says in an output; empty where it only calls tools."""
    content = [item.get("content") for item in output if item.get("type", "message") == "message"]
    return "".join(
        each if isinstance(each, str) else "".join(str(part.get("text", "")) for part in each or ()) for each in content
    )


async def smallest(server: Server, row: Json, output: list[Json], tools: bool, outcome: Json) -> tuple[Json, Json]:
    """The row with less and less of it, as long as the outcome stays the same: without fields, then cut short too."""
    nothing = await server.verdict(row, NOTHING)

    async def same(candidate: Json) -> bool:
        if await server.verdict(candidate, output, tools) != outcome:
            return False
        # A field without which anything scores is needed too.
        return "judge" in nothing or await server.verdict(candidate, NOTHING) == nothing

    small = copy.deepcopy(row)
    for field in reversed(list(fields(row))):
        candidate = without(small, field)
        if candidate != small and await same(candidate):
            small = candidate
    request = small["responses_create_params"]
    for name in [name for name in request if name not in SEEN_BY_THE_MODEL or request[name] is None]:
        candidate = small | {"responses_create_params": {k: v for k, v in request.items() if k != name}}
        if await same(candidate):
            small, request = candidate, candidate["responses_create_params"]
    whole = small
    for attempt in _shorter(small):
        candidate = attempt(copy.deepcopy(small))
        if candidate != small and _size(candidate) < _size(small) and await same(candidate):
            small = candidate
    return whole, small


def _shorter(row: Json) -> Iterable[Callable[[Json], Json]]:
    """Ways to shorten a row: long lists to their first items, long texts to their openings."""
    places = [place for place in _places(row) if place and _cut(copy.deepcopy(row), place) != row]
    for place in sorted(places, key=lambda place: (len(place), [str(part) for part in place]))[:CUTS]:
        yield lambda candidate, place=place: _cut(candidate, place)


def _places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*place, key))


def _cut(row: Json, place: tuple) -> Json:
    holder: Any = row
    try:
        for part in place[:-1]:
            holder = holder[part]
        value = holder[place[-1]]
    except (KeyError, IndexError, TypeError):  # gone with an earlier cut
        return row
    if isinstance(value, str) and len(value) > 160:
        holder[place[-1]] = (value[:120].rpartition(" ")[0] or value[:120]).rstrip() + " ..."
    elif isinstance(value, list) and len(value) > 1 and place[-1] != "input":
        holder[place[-1]] = value[:1]
    return row


# -- Called in a process of its own -------------------------------------------------------------------------------


def ask(name: str) -> Json:
    """Find out what a server's ``/verify`` needs; ``{"reason": ...}`` where it cannot be asked."""
    return started(name, questions)


def ask_again(name: str, row: Json, output: list[Json], tools: bool) -> Json:
    """What can be claimed of a row and an output, as `claimed` gives it."""

    return started(name, lambda server: claimed(server, row, output, tools), openly=True)
