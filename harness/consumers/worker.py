"""The process in which the consumers of an environment run, beside the programs that read: see `harness.beside`.

It is started by that environment's own Python and needs nothing else of it. It reads one JSON request a line from
standard input and answers each with one JSON line on the descriptor that is its argument. What a consumer prints goes
to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Call what a request names, in the folder that it names: the ``result``, or the ``error`` and ``traceback``."""
    try:
        os.chdir(request["cwd"])
        module, _, name = request["target"].partition(":")
        return {"result": getattr(importlib.import_module(module), name)(*request["arguments"])}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def main(answers: int) -> None:
    """Answer requests until standard input ends."""
    os.dup2(2, 1)
    with os.fdopen(answers, "w", encoding="utf-8") as outgoing:
        for row in sys.stdin:
            print(json.dumps(answer(json.loads(row))), file=outgoing, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
