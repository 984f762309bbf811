"""A rollout for people, and what goes wrong in many."""

import importlib.util
import json
from pathlib import Path

import pytest
from gym_rollouts import Fault, show
from gym_rollouts.symptoms import SYMPTOMS, symptoms_of, view
from gym_rollouts.transcript import block, transcript, wrap
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import mutants
from rich.cells import cell_len
from sample import answer, call, result, rollout, write

TOOLS = {"tools": [{"type": "function", "name": "f"}]}
INCOMPLETE = {"output": answer("so"), "incomplete_details": {"reason": "max_output_tokens"}}
REASONING = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
SICK = {
    "failed": {"_ng_failure_class": "agent_run_error"},
    "cut off": rollout(response=INCOMPLETE),
    "no output": rollout(output=[]),
    "out of steps": rollout(output=[call(), result()]),
    "tool loop": rollout(output=[*[call(), result()] * 3, *answer("x")]),
    "tool error": rollout(output=[call(), result('{"detail": "Not Found"}'), *answer("x")]),
    "malformed arguments": rollout(output=[call(arguments='{"a": '), result(), *answer("x")]),
    "unknown tool": rollout(output=[call("g"), result(), *answer("x")], params=TOOLS),
    "no tools used": rollout(params=TOOLS),
    "empty answer": rollout(text=" \n"),
    "reasoning without answer": rollout(output=[REASONING]),
    "repeats itself": rollout(text="and so on and on, as it was said before, again: " * 12),
}


@pytest.mark.parametrize("name", SICK)
def test_each_symptom_is_told(name: str) -> None:
    assert name in symptoms_of(view(SICK[name]))


def test_a_sound_rollout_has_none() -> None:
    assert symptoms_of(view(rollout())) == []
    turns = [call(arguments='{"n": 1}'), result('{"count": 3, "error": null}'), call(), result("ok"), *answer("3")]
    assert symptoms_of(view(rollout(output=turns, params=TOOLS))) == []


def test_every_symptom_has_a_sample() -> None:
    assert set(SICK) | {"stops early"} == set(SYMPTOMS)


def test_stops_early_needs_a_right_attempt_with_more_calls(here: Path) -> None:
    right = rollout(0, 0, 1.0, output=[call(), result(), *answer("3")])
    rows = [rollout(0, 1, 0.0), right, rollout(1, 0, 0.0), rollout(2, 0, 1.0), rollout(2, 1, 0.0)]
    path = write(here / "r.jsonl", rows)
    found = show([path], symptoms=True).figures["symptoms"]
    assert found["stops early"] == {"rollouts": 1, "mean_reward": 0.0, "file": str(path), "line": 1}
    assert found["none"]["rollouts"] == 4
    assert show([path], symptom="stops early").figures["rollouts"][0]["line"] == 1


def test_rollouts_are_picked(here: Path) -> None:
    path = write(here / "r.jsonl", [rollout(0, 0, 1.0), "", rollout(0, 1, 0.5), rollout(1, 0, 0.0, text="")])

    def lines(**options) -> list[int]:
        return [each["line"] for each in show([path], **options).figures["rollouts"]]

    assert lines() == [1]
    assert lines(line=3) == lines(task=0, attempt=1) == lines(failing=True) == [3]
    assert lines(failing=True, count=5) == [3, 4]
    write(Path("sums.jsonl"), [rollout(0, 0, 1 - 0.9), rollout(0, 1, 0.0)])  # the first is 0.09999999999999998
    assert [
        row["line"] for row in show([Path("sums.jsonl")], failing=True, solved=0.1, count=5).figures["rollouts"]
    ] == [2]
    assert lines(failing=True, solved=0.5) == lines(symptom="empty answer") == [4]
    assert lines(task=9) == lines(line=2) == []
    assert show([path], task=9).status == 1


def test_options_are_checked(here: Path) -> None:
    path = write(here / "r.jsonl", [rollout()])
    with pytest.raises(Fault, match="There are: failed, cut off"):
        show([path], symptom="loop")
    with pytest.raises(Fault, match="leave --task out"):
        show([path], symptoms=True, task=0)


def test_the_transcript(here: Path, command) -> None:
    turns = [REASONING, call(arguments='{"n": 1}'), result("one"), *answer("It is 3.\n\nDone.")]
    write(here / "r.jsonl", [rollout(3, 1, 0.5, output=turns, params=TOOLS)])
    made = command("show", "r.jsonl")
    assert made.stdout == (
        "r.jsonl:1\n"
        "task 3, attempt 1: reward 0.5, env_agent\n"
        "user      2 + 2?\n"
        "tools     f\n"
        "turn 1    (reasoning) hm\n"
        'turn 1    f({"n": 1})\n'
        "turn 1    -> one\n"
        "turn 2    It is 3.\n"
        "\n"
        "          Done.\n"
        "symptoms  none\n"
    )


def test_long_texts_are_cut_unless_all_is_asked_for(here: Path) -> None:
    path = write(here / "r.jsonl", [rollout(text="word " * 1000)])
    assert "4,400 characters more: --full" in " ".join(" ".join(show([path]).lines).split())
    assert "\n".join(show([path], full=True).lines).count("word") == 1000


def test_a_terminal_obeys_nothing_of_a_rollout() -> None:
    lines = list(transcript(view(rollout(text="\x1b[2J\x07\u202eabc", environment="\x1b]0;x")), 80, None))
    assert all(line.isprintable() for line in lines)
    assert any("\\u001b[2J" in line for line in lines)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(40, 100))
def test_no_line_is_wider_than_asked_for_and_no_text_is_lost(text: str, width: int) -> None:
    lines = list(block("user", text, width, None))
    assert all(cell_len(line) <= width for line in lines)
    spaced = "".join(" ".join(wrap(text, width)).split())
    assert spaced == "".join(text.split(" ")).replace(" ", "") or "".join(spaced.split()) == "".join(text.split())


def test_no_mutant_stops_it(here: Path) -> None:
    rows = [*SICK.values(), rollout(output=[call(), result(), *answer("x")], params=TOOLS)]
    path = write(here / "m.jsonl", mutants(rows, 2500, seed=5))
    report = show([path], symptoms=True)
    assert report.figures["lines"] == path.read_bytes().count(b"\n")
    shown = show([path], count=10**6)
    assert all(len(line) <= 80 or str(path) in line for line in shown.lines)
    json.dumps(shown.figures)


@pytest.mark.beside("nemo_gym")
def test_all_rollouts_that_ship_can_be_shown_checked_and_scanned(here: Path) -> None:
    from gym_rollouts import check, scan

    root = Path(importlib.util.find_spec("nemo_gym").origin).parents[1]
    files = sorted(root.glob("*/*/data/*example_rollouts.jsonl"))
    assert len(files) > 100
    lines = sum(1 for path in files for _ in path.open("rb"))
    report = show(files, symptoms=True)
    assert report.figures["lines"] == lines
    assert report.figures["rollouts"] > 0.9 * lines
    found = check(files, show=0, nemo_gym=False).figures
    assert found["lines"] == found["sound"] + found["faulty"] == lines
    assert scan(files, show=0).figures["lines"] == lines
