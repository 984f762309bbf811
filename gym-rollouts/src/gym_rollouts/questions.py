"""How alike two questions are: what is compared is the question, not what all prompts share.

A question is what the user's side of a prompt says and shows, cut into tokens: words, single signs, single characters
of languages that put no spaces between words, and whole images. It is compared by runs of tokens. Runs that many
questions of an environment have are a template, few-shot examples or instructions, and are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gym_rollouts.facts import digest
from gym_rollouts.messages import Message

Words = NDArray[np.uint64]
#: Kana, ideographs, Thai, Lao, Myanmar and Khmer: scripts in which a word does not end at a space.
SPACELESS = "\u3005-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
TOKEN = re.compile(f"[{SPACELESS}]|[^\\W{SPACELESS}]+|[^\\w\\s]")
RUN = 3
#: A run of so many questions of an environment, and of so large a share of them, is what they share.
SHARED, SHARE = 10, 0.05
#: So many questions of an environment show what they share.
SAMPLE = 2000
#: The chance that two questions, of which 0.8 is equal, meet in one of the bands is 0.9999.
BANDS, ROWS = 20, 4
_RNG = np.random.default_rng(20_260_101)
FACTORS = _RNG.integers(1, 1 << 63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
ADDENDS = _RNG.integers(0, 1 << 63, BANDS * ROWS, dtype=np.uint64)


@dataclass(frozen=True)
class Question:
    """The runs of a question, sorted and each once, and a digest of its numbers and images: see `exact_tokens`."""

    runs: Words
    exact: int


def tokens_of(messages: list[Message]) -> list[str]:
    """The tokens of a prompt without the system's part; with it where there is nothing else."""
    asked = [message for message in messages if message.role not in ("system", "developer")] or messages
    tokens = []
    for message in asked:
        content = message.content
        parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        for part in parts:
            if part["type"] == "text":
                tokens += TOKEN.findall(unicodedata.normalize("NFKC", part["text"]).casefold())
            else:
                tokens.append(f"\0image {digest(part['image_url']['url'].encode()):x}")
        for call in message.tool_calls or ():
            tokens += [call.function.name, *TOKEN.findall(call.function.arguments.casefold())]
    return tokens


def question_of(messages: list[Message]) -> Question:
    """A prompt as a question."""
    tokens = tokens_of(messages)
    joined = [" ".join(tokens[at : at + RUN]) for at in range(max(len(tokens) - RUN, 0) + 1)] if tokens else []
    runs = np.unique(np.array([digest(run.encode()) for run in joined], np.uint64))
    return Question(runs, digest(" ".join(sorted(exact_tokens(tokens))).encode()))


def exact_tokens(tokens: list[str]) -> list[str]:
    """The tokens in which two questions may not differ: numbers and images."""
    return [token for token in tokens if token[0] == "\0" or any(map(str.isdigit, token))]


def shared_runs(questions: list[Words]) -> Words:
    """The runs that many of some questions have, sorted."""
    counts: Counter[int] = Counter()
    for runs in questions:
        counts.update(runs.tolist())
    least = max(SHARED, SHARE * len(questions))
    return np.array(sorted(run for run, count in counts.items() if count >= least), np.uint64)


def own_runs(runs: Words, shared: Words) -> Words:
    """What is left of a question's runs without the shared ones; all, where nothing would be left."""
    own = np.setdiff1d(runs, shared, assume_unique=True)
    return own if len(own) else runs


def likeness(one: Words, other: Words) -> float:
    """The share of two questions' runs that both have."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(len(one) + len(other) - both, 1)


def bands_of(runs: Words) -> Words:
    """The MinHash bands of a question (Broder 1997): two questions with an equal one may be alike."""
    with np.errstate(over="ignore"):
        hashed = (runs[:, None] * FACTORS + ADDENDS) >> np.uint64(11)
        least = hashed.min(axis=0).reshape(BANDS, ROWS)
        band = np.zeros(BANDS, np.uint64)
        for column in least.T:
            band = (band ^ column) * np.uint64(0x9E3779B97F4A7C15)
            band ^= band >> np.uint64(29)
    return band
