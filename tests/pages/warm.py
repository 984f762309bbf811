"""Run programs that readers download, in one process of an environment: torch takes seconds to import."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from functools import cache
from pathlib import Path

from harness.environments import ENVIRONMENTS

# Runs the program of each request as a script, and answers with its exit status and what it printed.
_LOOP = """
import contextlib, io, json, os, runpy, sys, traceback
answers = os.fdopen(os.dup(1), "w")
BEFORE
for line in sys.stdin:
    folder, variables, program, arguments = json.loads(line)
    os.chdir(folder)
    os.environ.update(variables)
    sys.argv, out, err, status = [program, *arguments], io.StringIO(), io.StringIO(), 0
    EACH
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
            status = 1
    print(json.dumps([status, out.getvalue(), err.getvalue()]), file=answers, flush=True)
"""

#: What an environment's own programs need beside: once, and before each run.
_BESIDE = {
    "openrlhf": ("from openrlhf.utils import logging_utils", "logging_utils._default_handler.setStream(out)"),
    "verl": ("import logging", "sys.modules.pop('gym_verl', None)"),
}


@cache
def _process(environment: str) -> subprocess.Popen[str]:
    python = ENVIRONMENTS[environment].require().interpreter
    once, each = _BESIDE[environment]
    loop = _LOOP.replace("BEFORE", once).replace("EACH", each)
    variables = os.environ | {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([python, "-c", loop], env=variables, text=True, **pipes)
    atexit.register(process.kill)
    return process


def run(
    folder: Path, program: Path, *arguments: str, environment: str = "openrlhf"
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with the variables that the test has set.

    Raises:
        NotInstalled: the environment is not.
    """
    process = _process(environment)
    assert process.stdin is not None
    assert process.stdout is not None
    variables = {name: value for name, value in os.environ.items() if name.isupper()}
    process.stdin.write(json.dumps([str(folder), variables, str(program), arguments]) + "\n")
    process.stdin.flush()
    status, out, err = json.loads(process.stdout.readline())
    return subprocess.CompletedProcess([str(program), *arguments], status, out, err)
