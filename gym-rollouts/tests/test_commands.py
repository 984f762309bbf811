"""The command line, and what holds of every command."""

import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gym_rollouts import Fault, check, cli, compare, metrics, show
from gym_rollouts.commands import COMMANDS
from gym_rollouts.engine import SMALL, Engine
from gym_rollouts.needs import NEEDS, check_needs
from sample import rollout, write


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_and_no_section_of_the_docstring(command, name: str) -> None:
    made = command(name, "--help")
    assert made.returncode == 0
    assert f"gym-rollouts {name} " in made.stdout
    assert "Raises" not in made.stdout


def test_version_and_help(command) -> None:
    assert command("--version").stdout.startswith("gym-rollouts 0.7.0.post")
    assert all(name in command("--help").stdout for name in COMMANDS)


def test_json_is_one_object(here: Path, command) -> None:
    write(here / "r.jsonl", [rollout(), "x"])
    made = command("filter", "r.jsonl", "--for", "sft", "--kept", "k.jsonl", "--json")
    found = json.loads(made.stdout)
    assert (found["lines"], found["kept"], found["rejected"]) == (2, 1, 1)


def test_filter_counts_the_tasks_that_are_left(here: Path, command) -> None:
    write(here / "r.jsonl", [rollout(0, 0, 1.0, "a"), rollout(0, 1, 0.0, "b"), rollout(1, 0, 0.0, "c")])
    made = command("filter", "r.jsonl", "--for", "rl", "--low", "0.1", "--kept", "k.jsonl")
    assert made.stdout.splitlines()[-1] == "k.jsonl: 2 rows of 1 tasks"


@pytest.mark.parametrize("rows", [[], ["x"], ["", ""]], ids=["empty", "broken", "blank"])
def test_no_usable_line_is_status_1(here: Path, command, rows: list[str]) -> None:
    write(here / "r.jsonl", rows)
    for arguments in (
        ("filter", "r.jsonl", "--for", "rl", "--kept", "k.jsonl"),
        ("prepare", "r.jsonl", "--sft", "s.jsonl"),
    ):
        made = command(*arguments)
        assert made.returncode == 1, made.stderr
        assert "no line is usable" in made.stdout
        assert len(Path("rejects.jsonl").read_text().splitlines()) == len(rows)


def test_the_version_is_said_once() -> None:
    from importlib.metadata import version

    from gym_rollouts import __version__

    assert version("gym-rollouts") == __version__


def test_compare_says_which_run_is_better_in_lines_that_fit_a_terminal(here: Path, command) -> None:
    half = [rollout(n, 0, float(n % 2), f"a{n}") for n in range(20)]
    write(here / "a.jsonl", half)
    write(here / "b.jsonl", [rollout(n, 0, 1.0, f"b{n}") for n in range(20)])
    made = command("compare", "a.jsonl", "b.jsonl", "--k", "1").stdout.splitlines()
    assert made[0] == "20 tasks are in both; 0 only in A, 0 only in B"
    assert [line.rpartition("  ")[2] for line in made[1:]] == ["verdict", "B is better", "B is better"]
    assert made[2].startswith("mean reward  0.500  1.000  +0.500")
    assert max(map(len, made)) <= 80
    assert command("compare", "b.jsonl", "a.jsonl", "--k", "1").stdout.splitlines()[2].endswith("B is worse")
    assert command("compare", "a.jsonl", "a.jsonl", "--k", "1").stdout.splitlines()[2].endswith("cannot tell")


def agent(name: str) -> dict[str, dict[str, str]]:
    return {"agent_ref": {"name": name}}


@pytest.mark.parametrize("by", ["task", "number"])
def test_compare_pairs_tasks_of_several_environments_with_one_number_and_question(here: Path, by) -> None:
    rows = [rollout(task, 0, float(name == "x"), **agent(name)) for name in "xy" for task in range(3)]
    found = compare(write(Path("a.jsonl"), rows), write(Path("b.jsonl"), rows[::-1]), by=by).figures
    assert (found["tasks"], found["only_a"], found["ambiguous_a"]) == (6, 0, 0)
    assert found["metrics"]["mean reward"]["difference"] == 0


def test_compare_may_hold_one_environment_against_another(here: Path) -> None:
    for name in "xy":
        write(Path(f"{name}.jsonl"), [rollout(task, 0, **agent(name)) for task in range(3)])
    assert compare(Path("x.jsonl"), Path("y.jsonl")).figures["tasks"] == 3


def test_compare_counts_apart_what_may_be_several_tasks(here: Path) -> None:
    questions = [rollout(None, None, float(n), params={"instructions": f"{n}"}) for n in range(2)]
    write(Path("a.jsonl"), [*questions, rollout(None, None, question="other")])
    report = compare(Path("a.jsonl"), write(Path("b.jsonl"), [questions[0], rollout(None, None, question="new")]))
    names = ("tasks", "only_a", "only_b", "ambiguous_a", "ambiguous_b")
    assert [report.figures[name] for name in names] == [0, 1, 1, 2, 1]
    assert report.lines[1].startswith("2 of A and 1 of B are in no pair: several tasks of one file have the same ques")


def test_compare_says_what_it_did_not_count(here: Path) -> None:
    write(Path("a.jsonl"), [rollout(task, 0) for task in range(3)])
    report = compare(Path("a.jsonl"), write(Path("b.jsonl"), [rollout(0, 0), '{"x', "", rollout(1, 0)]))
    assert report.lines[-1] == "B: 4 lines, not counted: 1 blank, 1 unreadable"
    assert not any(line.startswith("A: ") for line in report.lines)
    assert {name: count for name, count in report.figures["not_counted"]["b"].items() if count} == {
        "blank": 1, "unreadable": 1
    }  # fmt: skip
    with pytest.raises(Fault, match="one of A and B only"):
        compare(Path("-"), Path("-"))


def test_a_missing_end_is_said(here: Path) -> None:
    data = gzip.compress(b"".join(json.dumps(rollout(n, 0, text=f"{n * n * 7919}")).encode() + b"\n" for n in range(9)))
    Path("a.jsonl.gz").write_bytes(data)
    Path("cut.jsonl.gz").write_bytes(data[:-20])
    for report in (
        metrics([Path("cut.jsonl.gz")]),
        show([Path("cut.jsonl.gz")], symptoms=True),
        compare(Path("a.jsonl.gz"), Path("cut.jsonl.gz")),
    ):
        assert any(line.startswith("cut.jsonl.gz: not read to its end: ") for line in report.lines)
        assert len(report.figures["unread"]) == 1
        assert not any("all counted" in line for line in report.lines)
    assert metrics([Path("a.jsonl.gz")]).lines[-1] == "9 lines, all counted"


def test_compare_gives_no_verdict_over_few_tasks(here: Path) -> None:
    for name, reward in (("a", 0.0), ("b", 1.0)):
        write(Path(f"{name}.jsonl"), [rollout(task, 0, reward) for task in range(5)])
    report = compare(Path("a.jsonl"), Path("b.jsonl"))
    assert {each["verdict"] for each in report.figures["metrics"].values()} == {"too few"}
    assert report.lines[-1].startswith("too few: under 6 tasks")


def test_a_metric_of_fewer_tasks_says_of_how_many(here: Path) -> None:
    rows = [rollout(0, 0), *(rollout(1, attempt, 0.0, str(attempt)) for attempt in range(2))]
    path = write(Path("a.jsonl"), rows)
    report = metrics([path], k=[1, 2])
    assert [line for line in report.lines if line.startswith("  pass@")][1].endswith("   of 1 tasks")
    assert report.figures["environments"]["env_agent"]["tasks_of"]["pass@2"] == 1
    assert "pass@2 is of 1 of the 2 tasks: the others have fewer attempts" in compare(path, path).lines


#: What each command cannot do without, with which none of the options of NEEDS does anything.
LEAST = {
    "balance": ["r.jsonl", "--train", "o.jsonl"],
    "check": ["r.jsonl"],
    "compare": ["r.jsonl", "r.jsonl"],
    "filter": ["r.jsonl", "--for", "rl", "--kept", "o.jsonl", "--without", "pass rate", "--without", "evaluation set"],
    "metrics": ["r.jsonl"],
    "prepare": ["r.jsonl"],
    "scan": ["r.jsonl"],
    "show": ["r.jsonl"],
    "split": ["r.jsonl", "--train", "a.jsonl", "--held-out", "b.jsonl"],
    "watch": ["r.jsonl", "--once"],
}
#: What else an option needs to be given, to do nothing.
BESIDE = {("show", "count"): ["--symptoms"], ("show", "width"): ["--symptoms"], ("show", "full"): ["--symptoms"]}
VALUES = {"arguments": "object", "developer": "system", "empty_content": "text", "truncated": "reject", "width": "90"}


def asked() -> list[tuple[str, str]]:
    """Each command with each of its options that need others."""
    options = {name: {each.name for each in command.params} for name, command in cli.group().commands.items()}
    of_all = {name for need in NEEDS[""] for name in need.options}
    return [
        (command, name)
        for command in COMMANDS
        for name in sorted((options[command] & of_all) | {n for need in NEEDS.get(command, ()) for n in need.options})
    ]


@pytest.mark.parametrize(("command", "name"), asked())
def test_an_option_that_would_be_ignored_is_refused(here: Path, command: str, name: str, capsys) -> None:
    write(Path("r.jsonl"), [rollout(task, 0) for task in range(2)])
    parameter = next(each for each in cli.group().commands[command].params if each.name == name)
    flag = parameter.is_flag
    option = (parameter.secondary_opts or parameter.opts)[0]
    given = [option] if flag else [option, VALUES.get(name, "1")]
    with pytest.raises(SystemExit) as end:
        cli.app()([command, *LEAST[command], *BESIDE.get((command, name), []), *given])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith(f"gym-rollouts: {option} does nothing here: ")
    assert said.endswith(f", or leave {option} out\n")
    assert [path.name for path in here.iterdir()] == ["r.jsonl"]


@pytest.mark.parametrize("name", NEEDS)
def test_a_need_is_of_options_that_there_are_and_holds_for_no_default(name: str) -> None:
    for command in [name] if name else COMMANDS:
        params = {each.name: each for each in cli.group().commands[command].params}
        if name:
            assert {option for need in NEEDS[name] for option in need.options} <= set(params)
        check_needs(command, {each: params[each].default for each in params}, (), str)


def test_no_number_is_nan(here: Path, command) -> None:
    write(Path("r.jsonl"), [rollout()])
    made = command("metrics", "r.jsonl", "--solved", "nan")
    assert (made.returncode, made.stderr) == (2, "gym-rollouts: --solved nan: expected a number\n")


def test_an_option_beside_what_it_needs_is_taken(here: Path, command) -> None:
    write(Path("r.jsonl"), [rollout(task, n, float(n), f"{n}") for task in range(2) for n in range(2)])
    write(Path("tasks.jsonl"), [rollout(task) for task in range(2)])
    for arguments in (
        ("prepare", "r.jsonl", "--sft", "s.jsonl", "--min-reward", "0.5", "--shards", "1", "--per-task", "1"),
        ("filter", "r.jsonl", "--for", "sft", "--kept", "k.jsonl", "--longest", "100", "--low", "0.1"),
        ("show", "r.jsonl", "--symptoms", "--solved", "0.5"),
        # Tasks are chosen by all attempts, so that this is honored without another file.
        ("prepare", "r.jsonl", "--rl", "t.jsonl", "--tasks", "tasks.jsonl", "--truncated", "keep"),
    ):
        assert command(*arguments).returncode == 0


def test_a_server_asks_for_fields_of_tasks_only(here: Path) -> None:
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "tools": None}
    with pytest.raises(Fault, match="rows of the kind sft, and a server asks for fields of tasks only"):
        check([write(Path("s.jsonl"), [row])], server="mcqa")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name, which this system has not")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_command_that_is_ended_clears_up(here: Path, name: str) -> None:
    os.mkfifo("r.jsonl")
    number = getattr(signal, name)
    arguments = ["filter", "r.jsonl", "--for", "sft", "--kept", "k.jsonl", "--spool", "."]
    with (
        subprocess.Popen([sys.executable, "-m", "gym_rollouts", *arguments], stderr=subprocess.PIPE) as running,
        Path("r.jsonl").open("wb") as pipe,  # it reads, and waits for more
    ):
        pipe.write(json.dumps(rollout()).encode() + b"\n")
        pipe.flush()
        while not list(here.glob("gym-rollouts-*/input-0")):
            time.sleep(0.01)
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert said.decode() == "gym-rollouts: stopped; no output was written\n"
    assert [path.name for path in here.iterdir()] == ["r.jsonl"]


@pytest.mark.skipif(os.name != "posix", reason="needs a shell with ulimit")
def test_a_disk_that_takes_no_more_is_one_line(here: Path) -> None:
    write(here / "r.jsonl", [rollout(n) for n in range(2000)])
    words = [sys.executable, "-m", "gym_rollouts", "filter", "r.jsonl", "--for", "sft", "--kept", "k.jsonl"]
    # Without what measures the tests' own coverage, which would write a file, too.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    limited = ["bash", "-c", f"ulimit -f 16; {shlex.join(words)}"]
    made = subprocess.run(limited, env=variables, capture_output=True, text=True, check=False)
    assert made.returncode == 2
    assert "; no output was written. Is the disk full? --spool" in made.stderr
    assert made.stderr.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["r.jsonl"]


def test_a_worker_that_is_ended_from_outside_is_a_fault() -> None:
    engine = Engine(2)
    engine.expect(2 * SMALL)
    with pytest.raises(Fault, match=r"a worker process was ended from outside.*--workers"):
        list(engine.map(os._exit, [1, 1]))
    engine.close()
