"""A file that the page shows is used by something, and the lines of Python that never ran are counted."""

from __future__ import annotations

import pytest

from harness.environments import DEFAULT, ENVIRONMENTS
from harness.pages import page_at
from harness.uses import CODE, DATA, executable_lines, used_by_commands
from tests.harness.conftest import line_of, require

SAYS_ONE = "print('one')"


def file(name: str, text: str, consumer: str = "") -> str:
    """A block that the reader saves."""
    language = {"py": "python", "sh": "bash", "jsonl": "jsonl"}.get(name.rpartition(".")[2], "yaml")
    return f"```{{code-block}} {language}\n:file: {name}\n{consumer}\n{text}\n```\n\n"


def console(*lines: str) -> str:
    return "```console\n" + "\n".join(lines) + "\n```\n\n"


def python(source: str) -> str:
    return f"```python\n{source}\n```\n\n"


PROGRAM = "# A page\n\n" + file("one.py", SAYS_ONE)
SCRIPT = "# A page\n\n" + file("one.sh", "echo one")
ROWS = "# A page\n\n" + file("rows.jsonl", '{"a": 1}', ":consumer: json\n")
CONFIG = "# A page\n\n" + file("collect.yaml", "num_repeats: 4", ":consumer: gym eval run\n")

UNUSED = {
    "nothing at all": PROGRAM,
    "ls": PROGRAM + console("$ ls one.py", "one.py"),
    "cat": PROGRAM + console("$ cat one.py", SAYS_ONE),
    "a comment of a command": PROGRAM + console("$ echo 1  # python one.py", "1"),
    "a comment of Python": PROGRAM + python("x = 1  # import one"),
    "a text": PROGRAM + console("$ echo python one.py", "python one.py"),
    "counting its lines": PROGRAM + console("$ wc -l < one.py", "1"),
    "a command that is not reached": PROGRAM + console("$ true || python one.py"),
    "an import that is not reached": PROGRAM + python("if False:\n    import one"),
    "compiling it": PROGRAM + console("$ python -m py_compile one.py"),
    "reading it": PROGRAM + python("assert open('one.py').read()"),
    "a script that is shown": SCRIPT + console("$ cat one.sh", "echo one"),
    "a script that is checked": SCRIPT + console("$ bash -n one.sh"),
    "a script that is not reached": SCRIPT + console("$ true || bash one.sh"),
    "rows that are shown": ROWS + console("$ cat rows.jsonl", '{"a": 1}'),
    "rows that are listed": ROWS + console("$ ls rows.jsonl", "rows.jsonl"),
    "rows that Python names in a comment": ROWS + python("x = 1  # rows.jsonl"),
    "a configuration that is shown": CONFIG + console("$ cat collect.yaml", "num_repeats: 4"),
    "a configuration that is searched": CONFIG + console("$ grep -c num collect.yaml", "1"),
    "a here-document": "# A page\n\n" + console("$ cat > one.py <<'END'", SAYS_ONE, "END"),
    "a script of a here-document that is shown": "# A page\n\n"
    + console("$ cat > one.sh <<'END'", "echo one", "END", "$ cat one.sh", "echo one"),
    "a here-document for a name in quotes": "# A page\n\n" + console('$ cat > "one.py" <<\'END\'', SAYS_ONE, "END"),
    "a here-document for a name of which some has quotes": "# A page\n\n"
    + console("$ cat > ./'one.py' <<'END'", SAYS_ONE, "END"),
    "a here-document that replaces": "# A page\n\n" + console("$ cat >| one.py <<'END'", SAYS_ONE, "END"),
    "a here-document with a variable": "# A page\n\n" + console("$ cat > one.yaml <<END", "path: $PWD", "END"),
    "a name that is the end of another": ROWS
    + console("$ echo '{}' > more_rows.jsonl", "$ wc -l < more_rows.jsonl", "1"),
    "a printed configuration": "# A page\n\n"
    + console("$ printf 'num_repeatz: 4\\n' > collect.yaml", "$ cat collect.yaml", "num_repeatz: 4"),
    "a configuration that Python writes": "# A page\n\n"
    + python("from pathlib import Path\n\n_ = Path('collect.yaml').write_text('num_repeatz: 4')"),
}  # fmt: skip


@pytest.mark.parametrize("text", UNUSED.values(), ids=UNUSED)
def test_a_file_that_nothing_uses_fails_on_its_line(judge, text):
    failure = judge(text)
    assert failure is not None
    assert "on this page: what is never used is never tested" in failure.message
    assert failure.line == 3


def test_a_caption_that_names_a_file_saves_none(judge):
    failure = judge("# A page\n\n```{code-block} python\n:caption: tools/one.py\n\nx = 1\n```\n")
    assert "`:file: tools/one.py`" in failure.message
    assert failure.line == 3
    assert judge("# A page\n\n```{code-block} python\n:caption: The first step.\n\nx = 1\n```\n") is None


def test_a_version_that_is_replaced_before_anything_ran_it_fails(judge):
    text = "# A page\n\n" + file("one.py", "import nothing_at_all") + "Or:\n\n" + file("one.py", SAYS_ONE)
    failure = judge(text + console("$ python one.py", "one"))
    assert f"nothing runs it before the block on line {line_of(text, 'Or:') + 2} replaces it" in failure.message
    assert failure.line == 3


USED = {
    "a command": PROGRAM + console("$ python one.py", "one"),
    "a path": PROGRAM + console('$ cd /; python "$OLDPWD/one.py"', "one"),
    "a module": PROGRAM + console("$ python -m one", "one"),
    "an import": PROGRAM + python("import one") + "```output\none\n```\n",
    "an import by a command": PROGRAM + console('$ python -c "import one"', "one"),
    "an import by another file": PROGRAM + file("two.py", "import one") + console("$ python two.py", "one"),
    "runpy": PROGRAM + python("import runpy\n\n_ = runpy.run_path('one.py')") + "```output\none\n```\n",
    "a process of Python's": PROGRAM
    + python("import subprocess, sys\n\n_ = subprocess.run([sys.executable, 'one.py'])")
    + "```output\none\n```\n",
    "a module in a folder": "# A page\n\n"
    + file("tools/one.py", SAYS_ONE)
    + console('$ python -c "import tools.one"', "one"),
    "bash": SCRIPT + console("$ bash one.sh", "one"),
    "source": SCRIPT + console("$ source one.sh", "one"),
    "sh": SCRIPT + console("$ sh ./one.sh", "one"),
    "its own path": SCRIPT.replace("echo", "#!/bin/bash\necho") + console("$ chmod +x one.sh", "$ ./one.sh", "one"),
    "bash by Python": SCRIPT
    + python("import subprocess\n\n_ = subprocess.run(['bash', 'one.sh'])")
    + "```output\none\n```\n",
    "rows that Python opens": ROWS + python("assert open('rows.jsonl').read()"),
    "rows that a library of another language opens": ROWS
    + console("$ uv pip install polars")
    + python("import polars\n\nassert polars.read_ndjson('rows.jsonl').height == 1"),
    "rows that a program counts": ROWS + console("$ wc -l < rows.jsonl", "1"),
    "rows that a program takes from cat": ROWS + console("$ cat rows.jsonl | wc -l", "1"),
    "rows of which a file is made": ROWS + console("$ head -n 1 rows.jsonl > first.jsonl"),
    "a configuration that Python reads": CONFIG
    + python("import yaml\n\nassert yaml.safe_load(open('collect.yaml')) == {'num_repeats': 4}"),
    "a configuration of a command that is only shown": CONFIG
    + "```{code-block} console\n:shown: it needs GPUs\n\n$ python -m train --config collect.yaml\n```\n",
    "a here-document": "# A page\n\n" + console("$ cat > one.py <<'END'", SAYS_ONE, "END", "$ python one.py", "one"),
    "a script of a here-document that is measured": "# A page\n\n"
    + console("$ cat > one.sh <<'END'", "echo one", "END", "$ wc -l < one.sh", "1"),
    "a here-document for a name in quotes": "# A page\n\n"
    + console('$ cat > "one.py" <<\'END\'', SAYS_ONE, "END", "$ python one.py", "one"),
    "a here-document with a variable": "# A page\n\n"
    + console("$ cat > one.yaml <<END", "path: $PWD", "END")
    + python("import yaml\n\nassert yaml.safe_load(open('one.yaml'))['path']"),
    "a script that sh gets through others": SCRIPT
    + console("$ timeout 5 sh one.sh", "one", "$ nice -n 5 sh one.sh", "one", "$ echo a | xargs sh one.sh", "one"),
    "the input of bash": SCRIPT + console("$ bash < one.sh", "one"),
    "the input of Python": PROGRAM + console("$ python - < one.py", "one"),
    "the input of Python, from cat": PROGRAM + console("$ cat one.py | python", "one"),
    "a Python that starts nothing by itself": PROGRAM + console("$ python -S one.py", "one"),
    "two versions": PROGRAM
    + console("$ python one.py", "one")
    + file("one.py", "print('two')")
    + console("$ python one.py", "two"),
}  # fmt: skip


@pytest.mark.parametrize("text", USED.values(), ids=USED)
def test_a_file_that_something_uses_passes(judge, text):
    failure = judge(text)
    assert failure is None, failure.message


def test_a_configuration_that_a_command_of_nemo_gym_reads_passes(judge):
    text = "# A page\n\n" + file("own.yaml", "policy_model_name: mine", ":consumer: gym env start\n")
    failure = judge(
        text + console("$ gym env resolve --config own.yaml | grep policy_model_name", "policy_model_name: mine")
    )
    assert failure is None, failure.message


COMMANDS = {
    "jq . rows.jsonl": [(DATA, "."), (DATA, "rows.jsonl")],
    "LANG=C sort rows.jsonl > sorted.jsonl": [(DATA, "rows.jsonl")],
    "if true; then sh one.sh; fi": [(CODE, "one.sh")],
    "echo sh one.sh": [],
    "sh -n one.sh": [],
    "sh -e one.sh a": [(CODE, "one.sh")],
    "sh -c 'echo one.sh'": [],
    "timeout -k 1 5 sh one.sh": [(DATA, "1"), (CODE, "one.sh")],
    "nice -n 5 sh one.sh": [(DATA, "5"), (CODE, "one.sh")],
    "env -i A=1 sh one.sh": [(CODE, "one.sh")],
    "printf x | xargs -n 1 sh one.sh": [(DATA, "x"), (DATA, "1"), (CODE, "one.sh")],
    "bash -e < one.sh": [(CODE, "one.sh"), (DATA, "-e"), (DATA, "one.sh")],
    "bash -n < one.sh": [(DATA, "-n"), (DATA, "one.sh")],
    "bash one.sh": [(DATA, "one.sh")],
    "python -W error -S one.py": [(CODE, "one.py"), (DATA, "-W"), (DATA, "error"), (DATA, "-S"), (DATA, "one.py")],
    "python one.py": [(DATA, "one.py")],
    "cat one.sh | sh": [(DATA, "one.sh"), (CODE, "one.sh")],
    "head one.sh | sh": [(DATA, "one.sh")],
    "tool --rows=rows.jsonl": [(DATA, "rows.jsonl")],
    "cat one.jsonl \\\n  two.jsonl | wc -l": [(DATA, "one.jsonl"), (DATA, "two.jsonl"), (DATA, "-l")],
}


@pytest.mark.parametrize(("text", "used"), COMMANDS.items(), ids=COMMANDS)
def test_what_a_command_uses(text, used):
    assert list(used_by_commands(text)) == used


# ------------------------------------------------------------------------------------------------ lines


@pytest.fixture
def lines(runner):
    """The lines of Python of a page that passes: how many it shows, and the text of those that never ran."""

    def lines(text: str) -> tuple[int, list[str]]:
        page = page_at(runner.docs, "page")
        page.path.write_text(text, encoding="utf-8")
        run = runner.start(page)
        try:
            run.judge_all()
        finally:
            run.close()
        return run.lines.python, [text.split("\n")[line - 1].strip() for line in run.lines.never_run]

    return lines


NEVER = "w = 1\n\n\ndef never(x):\n    return x + 1\n\n\nif {condition}:\n    y = 2\nelse:\n    y = 3\n"

NEVER_RUN = {
    "Python of the page": (python(NEVER.format(condition="w")), ["return x + 1", "y = 3"]),
    "a function that a later block calls": (python(NEVER.format(condition="w")) + python("z = never(1)"), ["y = 3"]),
    "a program": (file("p.py", NEVER.format(condition="not w")) + console("$ python p.py"), ["return x + 1", "y = 2"]),
    "a program that runs twice": (
        file("p.py", "import sys\n\n" + NEVER.format(condition="len(sys.argv) == 1"))
        + console("$ python p.py", "$ python p.py 1"),
        ["return x + 1"],
    ),
    "a module": (file("p.py", NEVER.format(condition="w")) + python("import p\n\nz = p.never(1)"), ["y = 3"]),
    "a here-document": (
        console("$ cat > p.py <<'END'", *NEVER.format(condition="w").split("\n"), "END", "$ python p.py"),
        ["return x + 1", "y = 3"],
    ),
    "a block that is only shown": (
        "```{code-block} python\n:shown: it needs GPUs\n\nx = 1\ny = 2\n```\n",
        ["x = 1", "y = 2"],
    ),
    "a process that ends at once": (
        file("p.py", "import os\n\nx = 1\nos._exit(0)\ny = 2") + console("$ python p.py"),
        ["y = 2"],
    ),
    "a process that is forked": (
        python(
            "import multiprocessing\n\n\ndef work():\n    x = 1\n    assert x == 1\n\n\n"
            "process = multiprocessing.get_context('fork').Process(target=work)\nprocess.start()\nprocess.join()"
        ),
        [],
    ),
}  # fmt: skip


#: Where a page runs: Python 3.13, which tells of each line by itself, and 3.11, which has to be traced.
PYTHONS = {DEFAULT: "", "trl": "---\nenvironment: trl\n---\n\n"}


@pytest.fixture(params=PYTHONS)
def front(request) -> str:
    """The front matter of a page that runs in an environment."""
    require(request.param)
    return PYTHONS[request.param]


def test_the_environments_differ_in_how_lines_are_seen():
    require("trl")
    assert ENVIRONMENTS["trl"].python < "3.12" <= ENVIRONMENTS[DEFAULT].python


@pytest.mark.parametrize(("text", "never"), NEVER_RUN.values(), ids=NEVER_RUN)
def test_lines_that_never_ran_are_listed(lines, front, text, never):
    total, found = lines(front + "# A page\n\n" + text)
    assert found == never
    assert total >= len(never)


EVERY_STATEMENT = '''\
"""Two
lines."""
from dataclasses import dataclass

@dataclass
class Row:
    """A row."""
    a: int
    b: list[int] | None = None

    @property
    def twice(self):
        """Its double."""
        return (
            self.a
            * 2
        )

def f(x,
      y=3):
    try:
        if x > y:
            return {
                "a": x,
                "b": [
                    k for k in range(3)
                    if k
                ],
            }
        for i in range(
            3
        ):
            continue
        while True:
            break
    finally:
        y += 1
    match x:
        case 1:
            return Row(
                a=1,
            ).twice
    return (lambda q:
        q)(x)

f(1), f(5), f(
    2)
with open("/dev/null") as a, open(
    "/dev/null"
) as b:
    pass
'''


def test_a_text_of_which_all_runs_has_no_line_that_never_ran(lines, front):
    assert lines(front + "# A page\n\n" + python(EVERY_STATEMENT))[1] == []
    assert lines(front + "# A page\n\n" + file("p.py", EVERY_STATEMENT) + console("$ python p.py"))[1] == []


def test_what_is_followed_is_what_the_page_says(lines, front):
    """Texts, lines of errors and the modules' own names are not those of what the harness adds."""
    module = '"""A module."""\n\nfrom __future__ import annotations\n\n\ndef f(x: int):\n    """Its text."""\n    return 1 / x'
    text = (
        "import inspect\nimport os\nimport traceback\n\nimport p\n\n"
        "assert (p.__doc__, p.f.__doc__, p.f.__annotations__) == ('A module.', 'Its text.', {'x': 'int'})\n"
        "assert inspect.getsource(p.f).count('harness') == 0\n"
        "assert not [name for name in vars(p) if 'harness' in name]\n"
        "try:\n    p.f(0)\nexcept ZeroDivisionError as error:\n"
        "    assert traceback.extract_tb(error.__traceback__)[-1].lineno == 8"
    )
    assert lines(front + "# A page\n\n" + file("p.py", module) + python(text))[1] == []


def test_lines_are_those_with_code():
    assert executable_lines("# a comment\n\nx = (\n    f(1)\n)\n", 10) == {12, 13}
    assert executable_lines("no python", 1) == set()


SERVER = """\
from nemo_gym.base_resources_server import SimpleResourcesServer


class Server(SimpleResourcesServer):
    async def verify(self, body):
        return None


if __name__ == "__main__":
    Server.run_webserver()"""


def test_a_server_that_the_page_writes_is_followed_in_its_process(lines):
    config = "own:\n  resources_servers:\n    own:\n      entrypoint: app.py\n      domain: other\n"
    text = (
        "# A page\n\n"
        + file("resources_servers/own/app.py", SERVER)
        + console("$ echo nemo-gym > resources_servers/own/requirements.txt")
        + file("own.yaml", config, ":consumer: gym env start\n")
        + "```{code-block} console\n:terminal: Terminal 2\n\n$ gym env start --config own.yaml\n...\n"
        + "All 1 / 1 servers ready!...\n```\n"
    )
    assert lines(text)[1] == ["return None"]


def test_a_configuration_that_a_parsed_command_names_is_used(judge):
    config = "defaults: examples/configs/sft.yaml\nsft: {max_num_steps: 1}"
    text = "# A page\n\n" + file("sft.yaml", config, ":consumer: NeMo RL\n")
    launch = (
        "```{code-block} console\n:consumer: NeMo RL\n\n$ uv run python examples/run_sft.py --config sft.yaml\n```\n"
    )
    assert "sft.yaml, but nothing reads it" in judge(text).message
    assert judge(text + launch) is None
