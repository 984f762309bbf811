"""Hold requests against the contract of OpenRLHF's OpenAI-server executor, which its repository has and no package.

The executor takes any further key of a request, so that `tools` does nothing, and no message tells.
`docs/_data/openrlhf-executor.json` therefore holds its routes, what each reads and answers, and the methods of its
class, at one commit. To read them anew, give the path of a clone of OpenRLHF/OpenRLHF and, unless it is HEAD, a commit:

    python -m harness.consumers.openrlhf_executor PATH/TO/CLONE [COMMIT]
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.consumers.strict import Problem
from harness.nearest import nearest

DATA = Path(__file__).resolve().parents[2] / "docs" / "_data" / "openrlhf-executor.json"
FILE = "examples/python/agent_func_openai_server_executor.py"


def request(text: str, route: str) -> list[Problem]:
    """What is wrong with a request in JSON to a route, such as ``POST /tokenize``."""
    try:
        body = json.loads(text)
    except ValueError as error:
        return [Problem(getattr(error, "lineno", 1), f"not JSON: {error}")]
    if not isinstance(body, dict):
        return [Problem(1, "expected an object")]
    data = json.loads(DATA.read_text(encoding="utf-8"))
    known = data["routes"][route]["reads"]
    lines = text.split("\n")
    problems = []
    for key in body:
        if key not in known:
            line = next((number for number, row in enumerate(lines, 1) if f'"{key}"' in row), 1)
            said = f"unknown key {key!r}: {route} of OpenRLHF's executor at {data['commit'][:8]} reads no such key"
            problems.append(Problem(line, f"{said}; {nearest(key, known)}"))
    if "messages" not in body:
        problems.append(Problem(1, f"{route} needs 'messages'"))
    return problems


def contract(source: str) -> dict[str, Any]:
    """What the text of the executor's file tells: routes by method and path, and the methods with their parameters."""
    module = ast.parse(source)
    executor = next(each for each in module.body if isinstance(each, ast.ClassDef) and each.name == "AgentExecutor")
    functions = [each for each in ast.walk(executor) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    routes = {}
    for function in functions:
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                name = f"{decorator.func.attr.upper()} {decorator.args[0].value}"
                routes[name] = {"reads": _read(function), "answers": _answered(function)}
    own = [each for each in executor.body if each in functions]
    methods = {each.name: [arg.arg for arg in each.args.args] for each in own}
    return {"routes": routes, "methods": methods}


def _read(function: ast.AST) -> list[str]:
    """The keys that a route reads of a request's body."""
    calls = [each for each in ast.walk(function) if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)]
    return sorted({each.args[0].value for each in calls if ast.unparse(each.func) == "body.get"})


def _answered(function: ast.AST) -> list[str]:
    """The keys of what a route answers."""
    found = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)]
    return sorted({key.value for each in found if isinstance(each, ast.Dict) for key in each.keys if key is not None})


def main(arguments: list[str] | None = None) -> int:
    """Write the data; the exit status."""
    given = arguments if arguments is not None else sys.argv[1:]
    if not given:
        print(__doc__, file=sys.stderr)
        return 2
    commit = given[1] if len(given) > 1 else "HEAD"

    def git(*words: str) -> str:
        command = ["git", "-C", given[0], *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    found = {
        "repository": "https://github.com/OpenRLHF/OpenRLHF",
        "file": FILE,
        "commit": git("rev-parse", commit).strip(),
        "date": git("log", "-1", "--format=%cs", commit).strip(),
        **contract(git("show", f"{commit}:{FILE}")),
    }
    DATA.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
