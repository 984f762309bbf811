"""Write a tiny model that knows the answers to some coding tasks: ``python tiny.py ROWS.jsonl FOLDER``, run where torch is.

ROWS has rows of ``messages``. The model learns each last message by heart, which takes seconds.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import torch

made_by = importlib.import_module("tiny_model")  # a download of the site

STEPS = 160


def main(rows: Path, folder: Path) -> None:
    """Train and save."""
    tokenizer = made_by.make_tokenizer(made_by.texts(rows))
    model = made_by.make_model(tokenizer, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    learned = []
    for line in rows.read_text(encoding="utf-8").splitlines():
        messages = json.loads(line)["messages"]
        prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, tokenize=False)
        whole = tokenizer.apply_chat_template(messages, tokenize=False)
        before, ids = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
        learned.append((ids, [-100] * len(before) + ids[len(before) :]))
    width = max(len(ids) for ids, _ in learned)
    inputs = torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in learned])
    labels = torch.tensor([told + [-100] * (width - len(told)) for _, told in learned])
    for _ in range(STEPS):
        loss = model(input_ids=inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tokenizer.padding_side = "left"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
