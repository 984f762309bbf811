"""A collection that runs, whatever stands in its files."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
from gym_rollouts import Fault, watch
from gym_rollouts.collection import Collection
from gym_rollouts.commands.watch import duration, say
from mutants import mutants
from sample import rollout, write

R = Path("r.jsonl")


def collection(rollouts: list, asked: int = 4, failures: list | None = None) -> None:
    write(R, rollouts)
    write(Path("r_materialized_inputs.jsonl"), [{}] * asked)
    if failures is not None:
        write(Path("r_failures.jsonl"), failures)


def figures() -> dict:
    return watch(R, once=True).figures


def test_blank_lines_and_nan_are_passed_over(here: Path) -> None:
    collection(['{"reward": 1.0}', '{"reward": NaN}', "", '{"reward": 0.0}', "x", "[1]"], failures=[])
    found = figures()
    assert (found["done"], found["mean_reward"], found["rewarded"], found["unreadable"]) == (3, 0.5, 2, 2)


def test_failed_attempts_that_are_done_after_a_resume_count_once(here: Path) -> None:
    failure = [
        {"_ng_task_index": 0, "_ng_rollout_index": n, "_ng_failure_class": "agent_run_error"} for n in (0, 0, 1, 2)
    ]
    collection([rollout(0, 0), rollout(0, 3)], failures=failure)
    found = figures()
    assert (found["done"], found["failed"], found["failures"]) == (2, 2, {"agent_run_error": 2})
    collection([rollout(0, n) for n in range(4)], failures=failure)
    assert (figures()["done"], figures()["failed"]) == (4, 0)


def test_failures_of_an_earlier_collection_are_not_of_this_one(here: Path) -> None:
    failure = [{"_ng_task_index": n, "_ng_rollout_index": 0, "_ng_failure_class": f"of {n}"} for n in (1, 7)]
    write(R, [rollout(0, 0)])
    write(Path("r_materialized_inputs.jsonl"), [{"_ng_task_index": n, "_ng_rollout_index": 0} for n in (0, 1, 2)])
    write(Path("r_failures.jsonl"), failure)
    found = figures()
    assert (found["asked"], found["done"], found["failed"], found["failures"]) == (3, 1, 1, {"of 1": 1})


def test_failures_without_numbers_fill_what_is_missing(here: Path) -> None:
    collection(['{"reward": 1}', '{"reward": 1}'], failures=[{"_ng_task_index": 0}] * 2)
    assert (figures()["done"], figures()["failed"]) == (2, 2)
    collection(['{"reward": 1}'] * 4, failures=[{"_ng_task_index": 0}] * 2)
    assert (figures()["done"], figures()["failed"]) == (4, 0)


def test_a_line_that_is_being_written_counts_when_it_is_whole(here: Path) -> None:
    collection([rollout(0, 0)])
    line = json.dumps(rollout(0, 1, 0.0)).encode()
    with R.open("ab") as file:
        file.write(line[:40])
    seen = Collection.of(R)
    seen.read()
    assert (seen.done, seen.unreadable) == (1, 0)
    with R.open("ab") as file:
        file.write(line[40:] + b"\n")
    assert seen.read()
    assert not seen.read()
    assert (seen.done, seen.mean, seen.unreadable) == (2, 0.5, 0)


def test_repeated_and_masked_attempts(here: Path) -> None:
    collection([rollout(0, 0, 1.0), rollout(0, 0, 0.0), rollout(0, 1, 0.0, mask_sample=True)])
    found = figures()
    assert (found["done"], found["repeated"], found["masked"], found["mean_reward"]) == (2, 1, 1, 1.0)


def test_a_collection_that_began_anew_is_counted_anew(here: Path) -> None:
    collection([rollout(0, n) for n in range(4)])
    seen = Collection.of(R)
    seen.read()
    R.unlink()
    write(R, [rollout(0, 0)])
    seen.read()
    assert seen.done == 1
    R.write_bytes(b"")
    seen.read()
    assert seen.done == 0


def test_it_follows_to_the_end(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection([rollout(0, 0)], failures=[{"_ng_task_index": 0, "_ng_rollout_index": 3}])

    def go_on() -> None:
        for number in (1, 2, 3):
            time.sleep(0.1)
            with R.open("a") as file:
                file.write(json.dumps(rollout(0, number, 0.0)) + "\n")

    writer = threading.Thread(target=go_on)
    writer.start()
    report = watch(R, every=0.05, patience=60)
    writer.join()
    assert (report.status, report.figures["done"], report.figures["failed"]) == (0, 4, 0)
    assert "4 of 4" in capsys.readouterr().out


def test_it_ends_where_the_rest_has_failed(here: Path) -> None:
    failures = [{"_ng_task_index": 0, "_ng_rollout_index": n, "_ng_failure_terminal": True} for n in (1, 2, 3)]
    collection([rollout(0, 0)], failures=failures)
    report = watch(R, every=0.05, patience=0, quiet=True)
    assert report.status == 1
    assert any("--resume" in line and "3 of them are final" in line for line in report.lines)


def test_it_waits_for_files(here: Path) -> None:
    seen = Collection.of(R)
    assert not seen.read()
    assert say(seen, None) == "waiting for r.jsonl"
    with pytest.raises(Fault, match="no such file"):
        watch(R, once=True)
    with pytest.raises(Fault, match="is a folder"):
        watch(here)
    with pytest.raises(Fault, match="is compressed"):
        watch(Path("r.jsonl.gz"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_cannot_be_read_is_tried_again(here: Path) -> None:
    collection([rollout(0, 0)])
    R.chmod(0)
    seen = Collection.of(R)
    seen.read()
    R.chmod(0o600)
    assert seen.read()


def test_no_mutant_stops_it(here: Path) -> None:
    rows = mutants([rollout(mask_sample=False), {"_ng_task_index": 0, "_ng_failure_class": "x"}], 2500, seed=3)
    collection(rows, asked=10, failures=rows)
    found = figures()
    blank = sum(not line.strip() for line in R.read_bytes().split(b"\n"))
    assert found["done"] + found["repeated"] + found["unreadable"] == R.read_bytes().count(b"\n") + 1 - blank


def test_the_command(here: Path, command) -> None:
    collection([rollout(0, n) for n in range(4)])
    made = command("watch", "r.jsonl")
    assert (made.returncode, made.stdout.split("\n")[0][:6]) == (0, "4 of 4")
    assert json.loads(command("watch", "r.jsonl", "--json").stdout)["done"] == 4


def test_durations() -> None:
    assert [duration(seconds) for seconds in (1, 60, 61, 3600, 90000)] == [
        "1 min",
        "1 min",
        "2 min",
        "1 h 00 min",
        "25 h 00 min",
    ]
