"""Write a language model with random weights and a tokenizer, to try a trainer on without a download.

    python tiny_model.py ROWS.jsonl [--output FOLDER] [--seed N] [--letters] [--layers N]

The tokenizer learns its words from the `content` of the messages in ROWS, rows of a `messages` column. With `--letters`
each character is a token, and so is each piece of text that one message in fifty has: then the model sees the letters
and digits that a puzzle is about, and the words around them are short. Its chat template marks what the assistant wrote
with `generation`, so that a trainer can learn from that alone; it renders tools and tool calls as JSON. The model has 4
layers of 128 dimensions, and knows nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import string
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

PAD, END = "<|pad|>", "<|end|>"
ROLES = [f"<|{role}|>" for role in ("system", "developer", "user", "assistant", "tool")]
CHAT = (
    "{% if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}"
    "{% for message in messages %}<|{{ message.role }}|>{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content or '' }}"
    "{% for call in message.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}"
    "<|end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def texts(path: Path) -> Iterator[str]:
    """The content of each message of a JSON Lines file.

    Raises:
        ValueError: a line has no list of messages, each with its content.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                for message in json.loads(line)["messages"]:
                    yield str(message.get("content") or "")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path}:{number}: expected a row with a list `messages`, found {error!r}") from None


def make_tokenizer(said: Iterator[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that learned from some texts; every text can be encoded with it."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        initial_alphabet=alphabet, special_tokens=[PAD, END, *ROLES], vocab_size=2000, show_progress=False
    )
    bpe.train_from_iterator(said, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, eos_token=END, chat_template=CHAT)


def letter_tokenizer(said: Iterator[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of printable ASCII characters, and of the pieces of text that at least one text in fifty has."""
    each = list(said)
    least = len(each) / 50
    words = Counter(word for text in each for word in set(re.findall("[A-Za-z]{2,}", text)))
    often = {word for word, times in words.items() if times >= least}
    pieces = Counter(piece for text in each for piece in set(pieces_of(text, often)))
    vocabulary = {token: at for at, token in enumerate([PAD, END, *ROLES, *string.printable])}
    letters = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    letters.decoder = decoders.Fuse()
    letters.add_special_tokens([PAD, END, *ROLES])
    kept = sorted(piece for piece, times in pieces.items() if times >= least and len(piece) > 1)
    letters.add_tokens([AddedToken(piece, normalized=False) for piece in kept])
    return PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token=PAD, eos_token=END, chat_template=CHAT, padding_side="left"
    )


def pieces_of(text: str, often: set[str]) -> Iterator[str]:
    """The pieces of a text between its digits and its rare words; a word by itself is none."""
    parts = re.findall(r"[A-Za-z]+|\d|[^A-Za-z\d]+", text)
    for fixed, run in itertools.groupby(parts, lambda part: part in often or not part[0].isalnum()):
        piece = "".join(run)
        if fixed and not piece.isalnum():
            yield piece


def make_model(tokenizer: PreTrainedTokenizerFast, seed: int, layers: int = 4) -> LlamaForCausalLM:
    """A Llama of under a million weights, the same for the same seed."""
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def main(arguments: list[str] | None = None) -> int:
    """Write the model; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, help="a JSON Lines file of rows with `messages`")
    parser.add_argument("--output", type=Path, default=Path("tiny"), help="the model's folder (default: tiny)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    parser.add_argument("--letters", action="store_true", help="a token for each letter, digit and sign")
    parser.add_argument("--layers", type=int, default=4, help="of the model (default: 4)")
    options = parser.parse_args(arguments)
    try:
        tokenizer = (letter_tokenizer if options.letters else make_tokenizer)(texts(options.rows))
    except (OSError, ValueError) as error:
        print(f"tiny_model: {error}", file=sys.stderr)
        return 1
    model = make_model(tokenizer, options.seed, options.layers)
    tokenizer.save_pretrained(options.output)
    model.save_pretrained(options.output)
    print(f"{options.output}: {model.num_parameters():,} weights, {len(tokenizer)} tokens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
