"""What is known of each line, in columns, and which task and attempt it is.

A line's facts are a row of `FACTS`. They hold no text: what differs from line to line is a digest, and what repeats,
such as a reason, is the number of a text in its part. `Table` has the facts of all lines of all inputs, in input order.

*Task*: NeMo Gym numbers tasks and attempts; together with the environment these numbers are the task. Where a line
has no number the normalized request takes its place, and the task is *inferred*. *Question* is another key: the
normalized prompt without the system's part, in any spelling. It tells what leaks between two splits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from gym_rollouts import calls
from gym_rollouts.errors import Unusable
from gym_rollouts.messages import Item, Message, Part, check_end, check_turns, plain, to_messages
from gym_rollouts.rollouts import Params, Prompt, decode, prompt_of, tools_of

FACTS = np.dtype([
    ("start", np.uint64),  # where the line begins in its source
    ("size", np.uint32),  # its bytes, without the end of the line
    ("step", np.uint8),  # 0, or the place in PROBLEMS of why the line has no facts
    ("note", np.int32),  # that reason, a number of a text; so are the other notes; -1 is none
    ("task", np.int64),  # _ng_task_index; -1 is none
    ("rollout", np.int64),  # _ng_rollout_index; -1 is none
    ("environment", np.int32),  # the number of a text
    ("reward", np.float64),
    ("flags", np.uint8),  # MASKED, ANSWERED, OBJECTS: all arguments are objects, PARTS: a content has parts
    ("question", np.uint64),  # digests: equal where the texts are
    ("request", np.uint64),
    ("text", np.uint64),  # the line itself
    ("response", np.uint64),  # the id that the model server gave the response; 0 is none
    ("answer", np.uint64),  # what the model wrote without its reasoning: answers and calls
    ("said", np.uint64),  # all that it wrote, and its tools' results
    ("length", np.uint32),  # characters that the model wrote
    ("calls", np.uint16),  # tool calls
    ("troubles", np.uint16),  # tool results that tell of an error
    ("cut", np.int32),  # a note: why the model stopped before its end
    ("bad_call", np.int32),  # a note: what is wrong with a tool call
    ("unfit", np.int32),  # a note: why no conversation can be made of the line
    ("unfit_step", np.uint8),  # the place in PROBLEMS of the step that says so
])  # fmt: skip
#: A row of FACTS as bytes.
PACKED = Struct(
    "<"
    + "".join(
        {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i4": "i", "i8": "q", "f8": "d"}[FACTS[n].str[1:]]
        for n in FACTS.names or ()
    )
)
MASKED, ANSWERED, OBJECTS, PARTS = 1, 2, 4, 8
#: Why a line has no facts, or is no conversation: the names of the steps.
PROBLEMS = ("", "blank", "unreadable", "failed", "conversation", "no answer")
TROUBLE = re.compile(r"(?i)\b(error|exception|traceback|invalid|not found|not valid|failed)\b")
#: The beginnings that TROUBLE finds, which are looked for first: that is faster than the expression.
TROUBLES = ("error", "exception", "traceback", "invalid", "not ", "failed")
LINE_LIMIT = 1 << 32
NO_ID = (msgspec.Raw(b"null"), msgspec.Raw(b'""'))

#: 64 bits that stand for a text.
digest: Callable[[bytes | msgspec.Raw], int] = xxh3_64_intdigest
SORTED = msgspec.json.Encoder(order="deterministic").encode
PACK = msgspec.msgpack.Encoder().encode

Numbers = NDArray[np.int64]
Bits = NDArray[np.bool_]


class Notes:
    """Texts of a part, each once, by number."""

    def __init__(self) -> None:
        """Start without a text."""
        self.numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        """The number of a text; -1 for none."""
        if text is None:
            return -1
        return self.numbers.setdefault(text, len(self.numbers))


class PromptFacts(NamedTuple):
    """What is known of a request: its messages, or why it has none, and its two digests."""

    prompt: Prompt | None
    problem: Unusable | None
    question: int
    request: int
    objects: bool
    parts: bool
    tools: bytes


def facts_of(place: int, text: bytes, notes: Notes) -> tuple[Any, ...]:
    """The facts of a line: a row of FACTS. What cannot be read has its reason there; nothing is raised."""
    size = len(text)
    try:
        if size >= LINE_LIMIT:
            raise Unusable("unreadable", "a line of 4 GiB or more")
        rollout = decode(text)
    except Unusable as problem:
        note = notes.number(problem.reason)
        step = PROBLEMS.index(problem.step)
        return (place, min(size, LINE_LIMIT - 1), step, note, -1, -1, -1, 0.0, 0, *[0] * 9, -1, -1, -1, 0)
    params, items = rollout.params, rollout.output
    given = prompt_facts(params)
    number_of_calls, troubles, bad_call, objects = 0, 0, None, given.objects
    for item in items:
        kind = item.type
        if kind == "function_call":
            number_of_calls += 1
            fault, is_object = calls.check(given.tools, item.name or "", item.arguments or "")
            bad_call = bad_call or fault
            objects = objects and is_object
        elif kind == "function_call_output":
            troubles += tells_of_trouble(item.output)
    unfit = given.problem
    parts = given.parts
    try:
        messages = to_messages(items)
        if given.prompt is not None and unfit is None:
            check_turns(messages, given.prompt.waiting)
            check_end(messages)
    except Unusable as problem:
        unfit = unfit or problem
        # Nothing can be made of it, so that only its own text tells it from others.
        encoded = msgspec.json.encode(items)
        said = answer = digest(encoded)
        length = len(encoded)
    else:
        length, answer, said, has_parts = summary_of(messages)
        parts = parts or has_parts
    response = 0 if rollout.response in NO_ID else digest(rollout.response)
    cut = rollout.cut if rollout.failed is None else f"the status of the response is {rollout.failed}"
    return (
        place, size, 0, -1, rollout.task, rollout.rollout, notes.number(rollout.environment), rollout.reward,
        MASKED * rollout.masked | PARTS * parts | ANSWERED * answered(items) | OBJECTS * objects,
        given.question, given.request, digest(text), response, answer, said, min(length, LINE_LIMIT - 1),
        min(number_of_calls, 65535), min(troubles, 65535), notes.number(cut), notes.number(bad_call),
        notes.number(unfit.reason if unfit else None), PROBLEMS.index(unfit.step) if unfit else 0,
    )  # fmt: skip


def summary_of(messages: list[Message]) -> tuple[int, int, int, bool]:
    """What messages say: the characters that the model wrote, the digest of its answers and calls, and that of all.

    Ids of calls differ between servers' runs and say nothing. The last value says whether a content has parts.
    """
    length, parts = 0, False
    texts: list[str] = []
    thoughts: list[int | str] = []
    for message in messages:
        role, content = message.role, message.content
        if content is None:
            # Beside calls nothing and an empty text are the same: a template writes either.
            text = "" if message.tool_calls else "\1none"
        elif isinstance(content, str):
            text = content
        else:
            text, parts = msgspec.json.encode(content).decode(), True
        if role == "assistant":
            texts += (role, text)
            if content is not None:
                length += len(content)
            if message.reasoning is not None:
                length += len(message.reasoning)
                thoughts += (len(texts), message.reasoning)
            for call in message.tool_calls or ():
                arguments = call.function.arguments
                length += len(arguments)
                texts += ("\1call", call.function.name, plain(arguments))
        else:  # not the model's own: it tells two attempts apart, but not two answers
            thoughts += (len(texts), role, text)
    # MessagePack has a length before each text: no two lists of texts are the same bytes, and nothing is escaped.
    answer = PACK(texts)
    without = digest(answer)
    if not thoughts:
        return length, without, without, parts
    return length, without, digest(answer + PACK(thoughts)), parts


def parts_in(messages: list[Message]) -> bool:
    """Say whether a content is no text, but parts."""
    return any(isinstance(message.content, list) for message in messages)


def answered(items: list[Item]) -> bool:
    """Say whether the model has the last word: a message with a text, or a call."""
    if not items:
        return False
    last = items[-1]
    if last.kind == "function_call":
        return True
    return last.kind == "message" and last.role in (None, "assistant") and bool(text_of(last.content).strip())


def tells_of_trouble(output: str | list[Part] | None) -> bool:
    """Say whether a tool's result tells of an error."""
    text = output if isinstance(output, str) else text_of(output)
    lowered = text.lower()
    for word in TROUBLES:
        if word in lowered:
            return TROUBLE.search(text) is not None
    return False


def text_of(content: str | list[Part] | list[dict[str, Any]] | None) -> str:
    """The text of a content."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") if isinstance(part, dict) else part.text for part in content or ()]
    return "\n".join([text or "" for text in texts])


def prompt_facts(params: Params) -> PromptFacts:
    """What is known of a request. The attempts at a task share it, so that it is looked at once while it is near."""
    key = digest(params.input), params.instructions, digest(params.tools)
    found = NEAR.get(key)
    if found is None:
        if len(NEAR) >= 512:
            NEAR.clear()
        NEAR[key] = found = _prompt_facts(bytes(params.input), params.instructions, bytes(params.tools))
    return found


#: What is known of the requests of the last lines, by their digests.
NEAR: dict[tuple[int, str | None, int], PromptFacts] = {}


def _prompt_facts(items: bytes, instructions: str | None, tools: bytes) -> PromptFacts:
    prompt, problem = None, None
    try:
        prompt = prompt_of(items, instructions)
    except Unusable as error:
        problem = error
    try:
        chat_tools: Any = tools_of(tools)
    except Unusable as error:
        chat_tools, problem = tools.decode("utf-8", "replace"), problem or error
    if prompt is None:
        raw = items + b"\0" + (instructions or "").encode()
        return PromptFacts(None, problem, digest(raw), digest(raw + b"\0" + tools), True, False, tools)
    spelled = [spelled_alike(message) for message in prompt.messages]
    asked = [
        text
        for text, message in zip(spelled, prompt.messages, strict=True)
        if message.role not in ("system", "developer")
    ]
    question = digest("\0".join(asked or spelled).encode())
    named = SORTED([chat_tools, [[message.role, wording(message).strip()] for message in prompt.messages]])
    objects = all(
        calls.is_object(str(call.function.arguments)) for each in prompt.messages for call in each.tool_calls or ()
    )
    return PromptFacts(
        None if problem else prompt,
        problem,
        question,
        digest(named),
        objects,
        parts_in(prompt.messages),
        tools,
    )


#: What editors and tokenizers put for the signs of a keyboard, and characters that nobody sees.
SPELLINGS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | dict.fromkeys(map(chr, (0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A))))
    | {"\ufeff": None}
)


def spelled_alike(message: Message) -> str:
    """A message as a text that is equal for all spellings of it.

    Spellings differ in forms of Unicode, case, white space, quotes, dashes, characters of no width, and parts.
    """
    text = wording(message)
    # ASCII has one form, and its own small letters.
    normal = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text.translate(SPELLINGS)).casefold()
    return f"{message.role} {' '.join(normal.split())}"


def wording(message: Message) -> str:
    """What a message says, letter by letter, however its content is made of parts."""
    content = message.content
    texts = [content] if isinstance(content, str) else []
    for part in content if isinstance(content, list) else ():
        texts.append(part["text"] if part["type"] == "text" else f"\0image {part['image_url']['url']}")
    for call in message.tool_calls or ():
        texts.append(f"\0call {call.function.name} {call.function.arguments!s}")
    return "\n".join(texts)
