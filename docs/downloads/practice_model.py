"""A practice model: an OpenAI-compatible endpoint that answers like a model of a chosen skill, without one.

It lets you collect rollouts with NeMo Gym on a laptop, with no API key and no GPU. First make a script of candidate
answers from the rows of a dataset, then serve it:

    python practice_model.py script rows.jsonl --output answers.jsonl
    python practice_model.py serve --script answers.jsonl --skill 0.6

and use http://127.0.0.1:8000/v1 wherever a model's address goes, with any API key and any model name. For the running
example of the site that it comes from, `python practice_model.py example` makes both the tasks and the script.

What it answers depends on the request and on the script, and on nothing else: the messages, the tools,
`temperature`, `top_p`, the token limit and the seed. A task of the script is recognized by its system and user
messages, and its answers are sampled by their logits, as a model samples: temperature 0 takes the most likely one,
`top_p` cuts the unlikely ones off, a token limit cuts the text short. `--skill` shifts the logits until the mean
chance of a right answer, over all tasks and at temperature 1, is that number; tasks differ in difficulty. Requests
with a seed get the same answer every time; of identical requests without one, the k-th since the start of the
server gets the k-th draw. To a conversation that is in no script it answers "I do not know.", or, where tools are
offered and none was called yet, it calls the first one with placeholder arguments, and then says "Done.".

It serves POST /v1/responses, /v1/chat/completions, /v1/completions and /tokenize, and GET /v1/models, and needs
Python 3.11 or newer and aiohttp, which NeMo Gym installs.
"""

import argparse
import asyncio
import collections
import hashlib
import json
import math
import operator
import random
import re
import signal
import string
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

UNKNOWN, DONE = "I do not know.", "Done."
ANSWER_FIELDS = (
    "expected_answer",
    "answer",
    "expected_result",
    "ground_truth",
    "verifier_metadata.expected_answer",
)
CALLS_FIELDS = ("ground_truth", "expected_answers", "expected_call", "verifier_metadata.ground_truth")
WORDINGS = (
    "{answer}",
    "The answer is {answer}.",
    "I checked each possibility against the question and ruled out the ones that contradict it. "
    "What remains fits everything that was asked, so the answer is {answer}.",
)
REASONING = (
    "The question asks for one thing only. I start from what is given and work towards it.",
    "Let me read the question again. There are a few ways to go about it, and the direct one looks shortest. I "
    "take it step by step and check the result against the question before I answer.",
)


# --------------------------------------------------------------------------------------------- conversations


@dataclass
class Message:
    """One message of a conversation, whichever API it came through. `calls` are (name, arguments) pairs."""

    role: str
    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def rendered(self) -> str:
        """The message as the one string that its tokens are counted in."""
        calls = (f"<call>{name} {json.dumps(arguments)}</call>" for name, arguments in self.calls)
        return " ".join(filter(None, (self.text, *calls)))


def text_of(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content or ""


def parsed(arguments: Any) -> Any:
    """A call's arguments as an object; they travel as JSON text."""
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


def from_responses(body: dict[str, Any]) -> list[Message]:
    """Read the input of a Responses request; the items of one model turn become one message."""
    items = body.get("input", "")
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    messages = [Message("system", body["instructions"])] if body.get("instructions") else []
    for item in items:
        kind = item.get("type") or "message"
        if kind == "function_call_output":
            messages.append(Message("tool", text_of(item["output"])))
        elif kind in ("message", "function_call"):
            message = Message(item.get("role", "assistant"), text_of(item.get("content")))
            if kind == "function_call":
                message.calls.append((item["name"], parsed(item["arguments"])))
            if message.role == "assistant" and messages and messages[-1].role == "assistant":
                messages[-1].text += message.text
                messages[-1].calls += message.calls
            else:
                messages.append(message)
    return messages


def from_chat(body: dict[str, Any]) -> list[Message]:
    """Read the messages of a Chat Completions request."""
    messages = []
    for item in body.get("messages", []):
        calls = [call["function"] for call in item.get("tool_calls") or []]
        pairs = [(call["name"], parsed(call["arguments"])) for call in calls]
        messages.append(Message(item["role"], text_of(item.get("content")), pairs))
    return messages


def prompt_of(messages: list[Message]) -> list[str]:
    """What identifies a task: the texts that are neither the model's nor a tool's."""
    return [message.text.strip() for message in messages if message.role not in ("assistant", "tool")]


def tokens_of(text: str) -> list[str]:
    """Words, each with the space before it: joined, they are the text again."""
    return re.findall(r"\s*\S+", text)


def token_id(token: str) -> int:
    """The id of a token: two bytes of its digest, so that every process has the same vocabulary."""
    return int.from_bytes(hashlib.sha256(token.strip().encode()).digest()[:2])


def prompt_token_ids(messages: list[Message]) -> list[int]:
    """The token ids of a conversation, each message between its role and an end, up to where the model writes."""
    tokens: list[str] = []
    for message in messages:
        tokens += [f"<{message.role}>", *tokens_of(message.rendered()), "<end>"]
    return [token_id(token) for token in [*tokens, "<assistant>"]]


# ------------------------------------------------------------------------------------------------ the model


@dataclass
class Answer:
    """One candidate: what the model says and calls in each of its turns."""

    right: bool
    logit: float
    turns: list[dict[str, Any]]

    def begins(self, history: list[Message]) -> bool:
        """Whether the model's turns so far are the first turns of this answer."""
        said = [(message.text, message.calls) for message in history]
        mine = [
            (turn.get("text", ""), [(call["name"], call["arguments"]) for call in turn.get("calls", [])])
            for turn in self.turns
        ]
        return mine[: len(said)] == said


@dataclass
class Reply:
    """What the model says: text, calls and reasoning; `log_prob` of all of it; whether a limit cut it short."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    reasoning: str = ""
    log_prob: float = 0.0
    cut: bool = False

    def tokens(self) -> list[str]:
        rendered = Message("assistant", self.text, self.calls).rendered()
        return [*tokens_of(self.reasoning), *tokens_of(rendered), *([] if self.cut else ["<end>"])]


class PracticeModel:
    """Samples replies. `script` holds the tasks' answers by prompt; `skill` is the mean chance of a right answer."""

    def __init__(self, script: dict[str, dict[str, Any]], skill: float = 0.6, seed: int = 0) -> None:
        self.seed = seed
        self.draws: collections.Counter[str] = collections.Counter()
        self.tasks = {key: [Answer(**answer) for answer in row["answers"]] for key, row in script.items()}
        difficulty = {key: row.get("difficulty", 0.0) for key, row in script.items()}
        offset = offset_for(skill, list(difficulty.values()))
        for key, answers in self.tasks.items():
            right = [answer for answer in answers if answer.right]
            wrong = [answer for answer in answers if not answer.right]
            if right and wrong:  # else its chance of a right answer is 1 or 0, whatever the skill
                shift = offset - difficulty[key] + log_sum(wrong) - log_sum(right)
                for answer in right:
                    answer.logit += shift

    def reply(self, messages: list[Message], body: dict[str, Any], limit: int | None) -> Reply:
        """Answer a conversation, given the request that it came in and its token limit."""
        tools = [tool.get("function", tool) for tool in body.get("tools") or []]
        if body.get("tool_choice") == "none":
            tools = []
        answers, history = self.find(messages)
        temperature = 1.0 if body.get("temperature") is None else body["temperature"]
        top_p = 1.0 if body.get("top_p") is None else body["top_p"]
        candidates = [answer for answer in answers if answer.begins(history) and len(answer.turns) > len(history)]
        if not candidates:
            return limited(unscripted(messages, tools, known=bool(answers)), limit)
        conversation = [(message.role, message.text, message.calls) for message in messages]
        key = json.dumps([conversation, tools, temperature, top_p, limit])
        seed = body.get("seed", parsed((body.get("metadata") or {}).get("extra_body", "{}")).get("seed"))
        if seed is None:
            seed = f"draw {self.draws[key]}"
            self.draws[key] += 1
        uniform = random.Random(f"{self.seed}|{seed}|{key}").random()
        answer, probability = sample(candidates, temperature, top_p, uniform)
        turn = answer.turns[len(history)]
        calls = [(call["name"], call["arguments"]) for call in turn.get("calls", [])]
        reasoning = turn.get("reasoning", "")
        return limited(Reply(turn.get("text", ""), calls, reasoning, math.log(probability)), limit)

    def find(self, messages: list[Message]) -> tuple[list[Answer], list[Message]]:
        """The answers to the longest known beginning of this conversation, and the model's turns since."""
        prompt = prompt_of(messages)
        for known in range(len(prompt), 0, -1):
            if answers := self.tasks.get("\n\n".join(prompt[:known])):
                asked = [i for i, m in enumerate(messages) if m.role not in ("assistant", "tool")][known - 1]
                return answers, [message for message in messages[asked + 1 :] if message.role == "assistant"]
        return [], []


def log_sum(answers: list[Answer]) -> float:
    """The logarithm of the unnormalised probability of all `answers` together."""
    return math.log(sum(math.exp(answer.logit) for answer in answers))


def offset_for(skill: float, difficulties: list[float]) -> float:
    """The offset at which the mean over tasks of sigmoid(offset - difficulty) is `skill`, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(60 if difficulties else 0):
        middle = (low + high) / 2
        mean = sum(1 / (1 + math.exp(difficulty - middle)) for difficulty in difficulties) / len(difficulties)
        low, high = (middle, high) if mean < skill else (low, middle)
    return (low + high) / 2


def sample(answers: list[Answer], temperature: float, top_p: float, uniform: float) -> tuple[Answer, float]:
    """Draw one answer by softmax(logit / temperature), cut off at `top_p`; return it and its probability."""
    ranked = sorted(answers, key=lambda answer: -answer.logit)
    if temperature <= 0:
        return ranked[0], 1.0
    weights = [math.exp((answer.logit - ranked[0].logit) / temperature) for answer in ranked]
    kept, mass = [], 0.0
    for weight in weights:
        kept.append(weight)
        mass += weight
        if mass >= top_p * sum(weights):
            break
    threshold = uniform * mass
    for answer, weight in zip(ranked, kept, strict=False):
        threshold -= weight
        if threshold < 0:
            return answer, weight / mass
    return ranked[len(kept) - 1], kept[-1] / mass


def unscripted(messages: list[Message], tools: list[dict[str, Any]], known: bool) -> Reply:
    """The documented answer to a conversation that the script says nothing about."""
    if known or (messages and messages[-1].role == "tool"):
        return Reply(DONE)
    if not tools:
        return Reply(UNKNOWN)
    schema = tools[0].get("parameters") or {}
    properties = schema.get("properties") or {}
    arguments = {name: placeholder(properties.get(name, {})) for name in schema.get("required") or []}
    return Reply(calls=[(tools[0]["name"], arguments)])


def placeholder(schema: dict[str, Any]) -> Any:
    """A value that fits a property's schema."""
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}, "null": None}
    return kinds.get(schema.get("type"), "example")


def limited(reply: Reply, limit: int | None) -> Reply:
    """Cut a reply off after `limit` tokens: of its reasoning first, then of its text, then of its calls."""
    if limit is None or len(reply.tokens()) <= limit:
        return reply
    reasoning = tokens_of(reply.reasoning)[:limit]
    text = tokens_of(reply.text)[: limit - len(reasoning)]
    return Reply("".join(text), [], "".join(reasoning), reply.log_prob, cut=True)


# ------------------------------------------------------------------------------------------------ the server


def make_app(model: PracticeModel, latency: float = 0.0) -> Any:
    """Build the aiohttp application that serves `model`, each answer `latency` seconds late."""
    from aiohttp import web

    def handler(answer: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            body = await request.json()
            if body.get("stream"):
                message = "the practice model does not stream: leave `stream` out or set it to false"
                return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=400)
            await asyncio.sleep(latency)
            return web.json_response(answer(model, body))

        return handle

    async def models(_: web.Request) -> web.Response:
        entry = {"id": "practice", "object": "model", "created": 0, "owned_by": "practice"}
        return web.json_response({"object": "list", "data": [entry]})

    app = web.Application(client_max_size=2**28)
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/responses", handler(answer_responses))
    app.router.add_post("/v1/chat/completions", handler(answer_chat))
    app.router.add_post("/v1/completions", handler(answer_completions))
    for path in ("/tokenize", "/v1/tokenize"):
        app.router.add_post(path, handler(answer_tokenize))
    return app


def digest(*parts: Any) -> str:
    """An identifier that is the same for the same content."""
    return hashlib.sha256(json.dumps(parts, default=vars).encode()).hexdigest()[:24]


def answer_responses(model: PracticeModel, body: dict[str, Any]) -> dict[str, Any]:
    """Answer POST /v1/responses: reasoning, message and calls as items of the output."""
    messages = from_responses(body)
    reply = model.reply(messages, body, body.get("max_output_tokens"))
    name = digest(messages, reply)
    status = "incomplete" if reply.cut else "completed"
    output: list[dict[str, Any]] = []
    if reply.reasoning:
        summary = [{"type": "summary_text", "text": reply.reasoning}]
        output.append({"type": "reasoning", "id": f"rs_{name}", "summary": summary})
    if reply.text or not reply.calls:
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
        message = {"type": "message", "id": f"msg_{name}", "role": "assistant", "status": status}
        output.append({**message, "content": content})
    for index, (tool, arguments) in enumerate(reply.calls):
        call = {"type": "function_call", "id": f"fc_{name}{index}", "call_id": f"call_{name}{index}"}
        output.append({**call, "name": tool, "arguments": json.dumps(arguments), "status": "completed"})
    used, written = len(prompt_token_ids(messages)), len(reply.tokens())
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": 0,
        "model": body.get("model", "practice"),
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if reply.cut else None,
        "output": output,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata"),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "temperature": body.get("temperature"),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
        "usage": {
            "input_tokens": used,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": len(tokens_of(reply.reasoning))},
            "total_tokens": used + written,
        },
    }


def answer_chat(model: PracticeModel, body: dict[str, Any]) -> dict[str, Any]:
    """Answer POST /v1/chat/completions; with log-probabilities and token ids where they are asked for."""
    messages = from_chat(body)
    reply = model.reply(messages, body, body.get("max_completion_tokens") or body.get("max_tokens"))
    name = digest(messages, reply)
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{name}{index}",
                "type": "function",
                "function": {"name": tool, "arguments": json.dumps(arguments)},
            }
            for index, (tool, arguments) in enumerate(reply.calls)
        ]
    finish = "length" if reply.cut else "tool_calls" if reply.calls else "stop"
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "message": message}
    if body.get("logprobs"):
        entries = [{"token": token, "logprob": value} for token, value in token_log_probs(reply, body)]
        choice["logprobs"] = {"content": [{**entry, "bytes": None, "top_logprobs": []} for entry in entries]}
    completion = envelope(f"chatcmpl-{name}", "chat.completion", choice, messages, reply, body)
    if body.get("return_token_ids"):
        choice["token_ids"] = [token_id(token) for token in reply.tokens()]
        completion["prompt_token_ids"] = prompt_token_ids(messages)
    return completion


def answer_completions(model: PracticeModel, body: dict[str, Any]) -> dict[str, Any]:
    """Answer POST /v1/completions: the prompt is matched as one message."""
    messages = [Message("user", body["prompt"])]
    reply = model.reply(messages, body, body.get("max_tokens"))
    choice: dict[str, Any] = {"index": 0, "text": reply.text, "finish_reason": "length" if reply.cut else "stop"}
    if body.get("logprobs") is not None:
        pairs = token_log_probs(reply, body)
        choice["logprobs"] = {"tokens": [token for token, _ in pairs], "token_logprobs": [p for _, p in pairs]}
    if body.get("return_token_ids"):
        choice["token_ids"] = [token_id(token) for token in reply.tokens()]
        choice["prompt_token_ids"] = prompt_token_ids(messages)
    return envelope(f"cmpl-{digest(messages, reply)}", "text_completion", choice, messages, reply, body)


def answer_tokenize(_: PracticeModel, body: dict[str, Any]) -> dict[str, Any]:
    """Answer POST /tokenize: the token ids of a conversation, as a prompt."""
    ids = prompt_token_ids(from_chat(body))
    return {"count": len(ids), "max_model_len": 32768, "tokens": ids}


def token_log_probs(reply: Reply, body: dict[str, Any]) -> list[tuple[str, float]]:
    """Each token with its share of the reply's log-probability: their sum is the answer's."""
    tokens = reply.tokens()
    named = [f"token_id:{token_id(token)}" for token in tokens] if body.get("return_tokens_as_token_ids") else tokens
    return [(token, reply.log_prob / len(tokens)) for token in named]


def envelope(
    name: str, kind: str, choice: dict[str, Any], messages: list[Message], reply: Reply, body: dict[str, Any]
) -> dict[str, Any]:
    """What all completions have around their one choice."""
    used, written = len(prompt_token_ids(messages)), len(reply.tokens())
    usage = {"prompt_tokens": used, "completion_tokens": written, "total_tokens": used + written}
    model = body.get("model", "practice")
    return {"id": name, "object": kind, "created": 0, "model": model, "choices": [choice], "usage": usage}


async def serve(app: Any, port: int) -> None:
    """Serve until interrupted or terminated. The line that says so is printed when the port is open."""
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        raise SystemExit(f"port {port} cannot be opened ({error.strerror}): choose another one with --port") from None
    print(f"Practice model ready at http://127.0.0.1:{port}/v1", flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()


# ------------------------------------------------------------------------------------------------ the script


class RowError(Exception):
    """A row from which no answers can be made, or a line of a script that cannot be read."""


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines. Raises RowError with file and line for one that is not JSON."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise RowError(f"{path}, line {number}: not JSON ({error})") from None
    return rows


def load_script(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Read scripts into their rows by prompt. Raises RowError with file and line for a row that is not one."""
    script = {}
    for path in paths:
        for number, row in enumerate(read_jsonl(path), 1):
            try:
                key = "\n\n".join(prompt_of([Message(m["role"], m["content"]) for m in row["messages"]]))
                [Answer(**answer) for answer in row["answers"]]
            except (KeyError, TypeError) as error:
                raise RowError(f"{path}, line {number}: not a row of a script ({error})") from None
            script[key] = row
    return script


def lookup(row: dict[str, Any], name: str) -> Any:
    """The value of a dotted field name, or None."""
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


class Template(string.Formatter):
    """`str.format` over the fields of a row, by dotted names, beside `{answer}`."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        value = lookup(kwargs, field_name)
        if value is None:
            raise RowError(f"has no field `{field_name}`, which a template uses")
        return value, field_name


def make_script(rows: list[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Make one row of a script from each row of a dataset. Raises RowError, which names the row's line."""
    script: dict[str, dict[str, Any]] = {}
    pool = [a for row in rows if (a := answer_of(row, options.answer)) is not None]
    for number, row in enumerate(rows, 1):
        try:
            made = script_row(row, options, pool)
        except RowError as error:
            raise RowError(f"{options.rows}, line {number}: {error}") from None
        key = "\n\n".join(message["content"] for message in made["messages"])
        if script.setdefault(key, made) != made:
            raise RowError(f"{options.rows}, line {number}: an earlier row asks the same and has another answer")
    return list(script.values())


def answer_of(row: dict[str, Any], field_name: str | None) -> str | None:
    """The expected answer of a row as text, from the named field or the first that is usual."""
    for name in [field_name] if field_name else ANSWER_FIELDS:
        value = lookup(row, name)
        if isinstance(value, (str, int, float)):
            return str(value)
    return None


def calls_of(row: dict[str, Any], field_name: str | None) -> list[dict[str, Any]] | None:
    """The expected tool calls of a row, from the named field or the first that is usual."""
    for name in [field_name] if field_name else CALLS_FIELDS:
        value = lookup(row, name)
        calls = [value] if isinstance(value, dict) else value
        if (
            isinstance(calls, list)
            and calls
            and all(isinstance(c, dict) and {"name", "arguments"} <= c.keys() for c in calls)
        ):
            return [{"name": call["name"], "arguments": parsed(call["arguments"])} for call in calls]
    return None


def script_row(row: dict[str, Any], options: argparse.Namespace, pool: list[str]) -> dict[str, Any]:
    """The row of a script for one row of a dataset; `pool` holds the answers of all rows, to be wrong with."""
    params = row.get("responses_create_params")
    if not isinstance(params, dict) or not params.get("input"):
        raise RowError("has no `responses_create_params.input`, so there is no prompt to answer")
    messages = [m for m in from_responses(params) if m.role not in ("assistant", "tool")]
    prompt = "\n\n".join(message.text.strip() for message in messages)
    rng = random.Random(f"{options.seed}|{prompt}")
    answer, calls = answer_of(row, options.answer), calls_of(row, options.calls)
    if options.right:
        fields = row if answer is None else {**row, "answer": answer}
        right = [[{"text": Template().vformat(t, (), fields)}] for t in options.right]
        others = wrong_values(row, answer or "", pool, rng)
        wrong = [
            [{"text": Template().vformat(t, (), {**row, "answer": other})}]
            for other in others
            for t in options.wrong or options.right
        ]
    elif calls:
        together = params.get("parallel_tool_calls", True)
        right = [call_turns(calls, together, text) for text in (DONE, "I have done what you asked for.")]
        wrong = [call_turns(spoilt(calls), together, DONE), [{"text": "I could not find a way to do that."}]]
    elif answer is not None:
        shown = "\\boxed{%s}" if "\\boxed" in prompt else "%s"
        wordings = WORDINGS if "\\boxed" in prompt else WORDINGS[:1]
        right = [[{"text": wording.format(answer=shown % answer)}] for wording in wordings]
        wrong = [
            [{"text": wordings[i % len(wordings)].format(answer=shown % other)}]
            for i, other in enumerate(wrong_values(row, answer, pool, rng))
        ]
    else:
        usual = ", ".join(dict.fromkeys(ANSWER_FIELDS + CALLS_FIELDS))
        raise RowError(
            f"has none of the fields that usually hold an answer ({usual}): name one with --answer or --calls, "
            "or say what is right with --right"
        )
    answers = [
        {"right": is_right, "logit": round(rng.gauss(0, 0.5), 3), "turns": turns}
        for is_right, candidates in ((True, right), (False, wrong))
        for turns in candidates
    ]
    if options.reasoning:
        for candidate in answers:
            candidate["turns"][0]["reasoning"] = rng.choice(REASONING)
    return {
        "messages": [{"role": message.role, "content": message.text.strip()} for message in messages],
        "difficulty": round(rng.gauss(0, 1), 3),
        "answers": answers,
    }


def wrong_values(row: dict[str, Any], answer: str, pool: list[str], rng: random.Random) -> list[str]:
    """Up to three values that are not the answer: other options, near numbers, or other rows' answers."""
    options = row.get("options")
    if options:
        letters = [key for option in ([options] if isinstance(options, dict) else options) for key in option]
        candidates = [letter for letter in letters if letter != answer]
    elif re.fullmatch(r"-?\d+", answer):
        candidates = [str(int(answer) + step) for step in (1, -1, 2, 10)]
    elif re.fullmatch(r"-?\d*\.\d+", answer):
        candidates = [str(round(float(answer) + step, 6)) for step in (1, -1, 0.5)]
    else:
        candidates = sorted({other for other in pool if other.strip().lower() != answer.strip().lower()})
    return rng.sample(candidates, min(3, len(candidates))) or ["unknown"]


def call_turns(calls: list[dict[str, Any]], together: bool, final: str) -> list[dict[str, Any]]:
    """The turns that make `calls`, in one turn or one after another, and end with a message."""
    return [*([{"calls": calls}] if together else [{"calls": [call]} for call in calls]), {"text": final}]


def spoilt(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same calls with one argument of the first that is wrong."""
    first, *rest = calls
    arguments = dict(first["arguments"])
    name = next((key for key in reversed(arguments) if isinstance(arguments[key], str)), None)
    if name is None:
        return rest
    return [{"name": first["name"], "arguments": {**arguments, name: f"{arguments[name]} (not this)"}}, *rest]


# --------------------------------------------------------------------------------------- the running example

SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod}


def example_tasks() -> list[dict[str, Any]]:
    """The tasks of the running example: 40 arithmetic questions, and the five office tasks that ship with NeMo Gym."""
    rng = random.Random(11)
    tasks = [arithmetic_task(number, rng) for number in range(40)]
    spec = find_spec("nemo_gym")
    if spec is None or spec.origin is None:
        raise RowError("the example's office tasks ship with NeMo Gym: run this where nemo-gym is installed")
    shipped = Path(spec.origin).parents[1] / "resources_servers/workplace_assistant/data/example.jsonl"
    office = [row | {"task_source": "workplace_assistant_simple_agent"} for row in read_jsonl(shipped)]
    return tasks + office


def arithmetic_task(number: int, rng: random.Random) -> dict[str, Any]:
    """A multiple-choice question whose numbers have 1 to 4 digits."""
    sign, digits = list(SIGNS)[number % 4], 1 + number // 4 % 4
    low, high = 10 ** (digits - 1) + 1, 10**digits - 1
    a, b = rng.randint(low, high), rng.randint(low, high)
    right = SIGNS[sign](a, b)
    values = [right, *(right + step for step in rng.sample([-10, -2, -1, 1, 2, 10], 3))]
    rng.shuffle(values)
    listed = "\n".join(f"{letter}: {value}" for letter, value in zip("ABCD", values, strict=True))
    question = f"What is {a} {sign} {b}? Give the letter of the right option in \\boxed{{}}.\n{listed}"
    return {
        "uuid": f"arithmetic-{number:02}",
        "responses_create_params": {"input": [{"role": "user", "content": question}]},
        "options": [{letter: str(value)} for letter, value in zip("ABCD", values, strict=True)],
        "expected_answer": "ABCD"[values.index(right)],
        "grading_mode": "strict_single_letter_boxed",
        "topic": f"{sign} with {digits} digits",
        "task_source": "mcqa_simple_agent",
    }


# ------------------------------------------------------------------------------------------ the command line


def build_parser() -> argparse.ArgumentParser:
    """The command line: `example`, `script` and `serve`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="serve the model on 127.0.0.1")
    server.add_argument("--port", type=int, default=8000, help="the port to listen on (default: 8000)")
    server.add_argument("--script", type=Path, action="append", default=[], help="answers to give; repeatable")
    server.add_argument("--skill", type=float, default=0.6, help="mean chance of a right answer (default: 0.6)")
    server.add_argument("--seed", type=int, default=0, help="another seed draws other answers (default: 0)")
    server.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    script = commands.add_parser("script", help="make a script of answers from the rows of a dataset")
    script.add_argument("rows", type=Path, help="the dataset: JSON lines with responses_create_params")
    script.add_argument("--output", type=Path, required=True, help="the script to write")
    script.add_argument("--right", action="append", help="a right answer: a template over the row's fields; repeatable")
    script.add_argument("--wrong", action="append", help="a wrong answer: {answer} is a wrong value here; repeatable")
    script.add_argument("--answer", help="the field that holds the expected answer")
    script.add_argument("--calls", help="the field that holds the expected tool calls")
    script.add_argument("--reasoning", action="store_true", help="let the model reason before it answers")
    script.add_argument("--seed", type=int, default=0, help="of difficulties and logits (default: 0)")
    commands.add_parser("example", help="write tasks.jsonl and answers.jsonl, the running example of the site")
    return parser


def main() -> None:
    """Run the command line; end with a message where a file or a row cannot be used."""
    options = build_parser().parse_args()
    try:
        if options.command == "example":
            tasks = Path("tasks.jsonl")
            tasks.write_text("".join(json.dumps(row) + "\n" for row in example_tasks()))
            print(f"Wrote {len(read_jsonl(tasks))} tasks to {tasks}")
            arguments = ["script", str(tasks), "--output", "answers.jsonl", "--reasoning", "--seed", "4"]
            options = build_parser().parse_args(arguments)
        if options.command == "script":
            rows = make_script(read_jsonl(options.rows), options)
            options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))
            answers = [answer["right"] for row in rows for answer in row["answers"]]
            counts = f"{sum(answers)} right and {len(answers) - sum(answers)} wrong answers"
            print(f"Wrote {len(rows)} tasks with {counts} to {options.output}")
        else:
            if not 0 < options.skill < 1:
                raise SystemExit(f"--skill {options.skill}: a chance between 0 and 1, both excluded, is expected")
            model = PracticeModel(load_script(options.script), options.skill, options.seed)
            asyncio.run(serve(make_app(model, options.latency), options.port))
    except (RowError, OSError) as error:
        sys.exit(f"practice_model.py: {error}")


if __name__ == "__main__":
    main()
