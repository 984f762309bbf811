"""Call functions of the harness beside the programs of another environment, in one process that stays warm."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.environments import ROOT, Environment
from harness.live import CallError
from harness.shell import stop

#: The module that runs there.
WORKER = "harness.consumers.worker"


class Beside:
    """A process of an environment's own Python. It starts with the first call, and again after one that ended it.

    Args:
        environment: where it runs.
        variables: its whole environment of variables, but for ``PYTHONPATH``.
        log: the file that takes what it prints.
        timeout: the seconds within which it has to answer a call.
    """

    def __init__(self, environment: Environment, variables: Mapping[str, str], log: Path, timeout: float) -> None:
        self.environment = environment
        self.variables = {**variables, "PYTHONPATH": str(ROOT)}
        self.log = log
        self.timeout = timeout
        self._process: subprocess.Popen[str] | None = None

    def call(self, target: str, *arguments: Any, cwd: Path) -> Any:
        """Call ``module:function`` with JSON arguments in the folder ``cwd``; its JSON result.

        Raises:
            CallError: the function raised, or the process ended or did not answer in time.
        """
        if self._process is None:
            self._start()
        request = {"target": target, "arguments": arguments, "cwd": str(cwd)}
        with contextlib.suppress(BrokenPipeError):  # it has ended: there will be no answer
            print(json.dumps(request), file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._answers], [], [], self.timeout)
        row = self._answers.readline() if ready else ""
        if not row:
            self.close()
            fate = "ended without an answer" if ready else f"did not answer within {self.timeout:.0f} s"
            said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
            raise CallError(f"{target} {fate} in the environment {self.environment.name}", said)
        answer = json.loads(row)
        if "error" in answer:
            raise CallError(answer["error"], answer["traceback"])
        return answer["result"]

    def _start(self) -> None:
        answers, write = os.pipe()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: a file beside a page is no module of the harness or of the program that reads.
                [self.environment.interpreter, "-P", "-m", WORKER, str(write)],
                cwd=self.log.parent,
                env=self.variables,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[write],
                start_new_session=True,
                text=True,
            )
        os.close(write)
        self._answers = os.fdopen(answers, encoding="utf-8")

    def close(self) -> None:
        """End the process and all that it started."""
        if self._process is not None:
            stop(self._process)
            self._answers.close()
            self._process = None
