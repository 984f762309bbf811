"""Each job has a right answer by the commands of its pages, and its check refuses an answer that only looks right."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.__main__ import main
from jobs.run import HERE, JOBS, ready, reference, solve

DOCS = HERE.parent / "docs"
FILES = {"question.txt", "start.py", "check.py", "reference.sh", "wrong.sh"}
COMMAND = re.compile(r"(?m)^(?:gym-rollouts|gym) [^\n]*(?:\\\n[^\n]*)*")


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """What all jobs run with."""
    with ready() as found:
        yield found


def test_there_are_ten_or_more_jobs_and_each_is_whole() -> None:
    assert len(JOBS) >= 10
    for name, folder in JOBS.items():
        assert {path.name for path in folder.iterdir() if path.name != "__pycache__"} == FILES, name


@pytest.mark.parametrize("name", JOBS)
def test_the_reference_solution_is_right(name: str, variables: dict[str, str]) -> None:
    outcome = solve(name, reference(name), variables)
    assert outcome.right, outcome.said


@pytest.mark.parametrize("name", JOBS)
def test_an_answer_that_looks_right_is_refused(name: str, variables: dict[str, str]) -> None:
    outcome = solve(name, ["bash", "-eu", str(JOBS[name] / "wrong.sh")], variables)
    assert not outcome.right
    assert outcome.said.startswith("wrong: "), outcome.said


@pytest.mark.parametrize("name", JOBS)
def test_no_answer_is_refused_in_a_line(name: str, variables: dict[str, str]) -> None:
    outcome = solve(name, ["true"], variables)
    assert outcome.said.startswith("wrong: there is no "), outcome.said


@pytest.mark.parametrize("name", JOBS)
def test_the_reference_solution_is_made_from_the_pages_that_it_names(name: str) -> None:
    """Each command and each of its flags is in a snippet, or in the words, of one of them."""
    script = (JOBS[name] / "reference.sh").read_text(encoding="utf-8")
    pages = script.splitlines()[0].removeprefix("# ").split()
    said = "\n".join((DOCS / f"{page}.md").read_text(encoding="utf-8") for page in pages)
    commands = COMMAND.findall(script)
    assert commands, "no command of the tool or of NeMo Gym"
    for command in commands:
        words = command.split()
        program = " ".join(words[: 2 if words[0] == "gym-rollouts" else 3])
        assert program in said, f"{program} is not on {pages}"
        for flag in re.findall(r"(?<=\s)(?:--|\+)[\w.-]+", command):
            assert flag in said or flag == "--json", f"{flag} of {program} is not on {pages}"


def test_a_command_gets_the_question_and_the_folder(
    tmp_path: Path, variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assistant = tmp_path / "assistant.py"
    assistant.write_text("import sys\nopen('asked.txt', 'w').write(sys.stdin.read())\n", encoding="utf-8")
    outcome = solve("hold-out-tasks", [sys.executable, str(assistant)], variables, keep=tmp_path / "kept")
    assert outcome.said == "wrong: there is no train.jsonl"
    asked = (tmp_path / "kept" / "hold-out-tasks" / "asked.txt").read_text(encoding="utf-8")
    assert asked == (JOBS["hold-out-tasks"] / "question.txt").read_text(encoding="utf-8")
    assert main(["--job", "hold-out-tasks"]) == 0
    assert "1 of 1 jobs are right" in capsys.readouterr().out


def test_a_program_that_does_not_end_is_ended(variables: dict[str, str]) -> None:
    assert solve("hold-out-tasks", ["sleep", "60"], variables, 0.5).said == "sleep did not end within 0 seconds"


def test_a_job_starts_from_the_same_files_each_time(tmp_path: Path) -> None:
    for name, folder in JOBS.items():
        found = []
        for again in ("a", "b"):
            place = tmp_path / name / again
            place.mkdir(parents=True)
            command = [sys.executable, str(folder / "start.py")]
            subprocess.run(command, cwd=place, env={"PYTHONPATH": str(HERE.parent), "PATH": "/usr/bin"}, check=True)
            found.append({path.name: path.read_bytes() for path in place.iterdir()})
        assert found[0] == found[1] != {}, name
