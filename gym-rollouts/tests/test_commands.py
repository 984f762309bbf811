"""The command line, and what holds of every command."""

import json
from pathlib import Path

import pytest
from gym_rollouts.commands import COMMANDS
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
