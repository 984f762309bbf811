"""What the workflows promise: pinned actions, no right too many, and the same commands as on a developer's machine.

``nox -s lint`` checks their form (check-jsonschema) and their safety (zizmor).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pinned.symbols import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
#: YAML 1.1 reads the key `on` as true.
ON = True


def workflow(name: str) -> dict[Any, Any]:
    return yaml.safe_load(TEXTS[name])


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in TEXTS:
        for job, content in workflow(name)["jobs"].items():
            yield f"{name}.{job}", content


def steps(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job.get("steps", []) if step.get("uses", "").startswith(f"{action}@")]


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_action_is_a_commit_with_its_release_beside_it(name: str) -> None:
    used = [line for line in re.findall(r"uses: (.*)", TEXTS[name]) if line != "$/.github/workflows/tell.yml"]
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_one_release_of_an_action_is_one_commit() -> None:
    pins = {tuple(pin) for text in TEXTS.values() for pin in re.findall(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(\S+)", text)}
    assert len(pins) == len({action for action, _ in pins})


def test_only_publishing_and_telling_may_write() -> None:
    assert all(workflow(name)["permissions"] == {} for name in TEXTS)
    rights = {name: job["permissions"] for name, job in jobs()}
    writing = {name for name, given in rights.items() if "write" in given.values()}
    telling = {name for name, job in jobs() if job.get("uses") == "$/.github/workflows/tell.yml"} | {"tell.issue"}
    assert writing == {"site.publish"} | telling
    assert all(rights[name] == {"contents": "read", "issues": "write"} for name in telling)
    assert rights["site.publish"] == {"pages": "write", "id-token": "write"}
    assert set(rights["site.checks"]) == {"contents"}


def test_every_job_ends_and_leaves_no_credentials() -> None:
    for name, job in jobs():
        if "uses" in job:  # the workflow that it calls says how long
            continue
        nobody_waits = "schedule" in workflow(name.partition(".")[0])[ON]
        assert job["timeout-minutes"] <= (240 if nobody_waits else 90), name
        for step in steps(job, "actions/checkout"):
            assert step["with"]["persist-credentials"] is False, name


def test_what_runs_by_the_clock_tells_in_an_issue_what_it_found() -> None:
    by_clock = {name for name in TEXTS if "schedule" in workflow(name)[ON]}
    assert by_clock == {"verbatim", "external-links", "drift", "recipes"}
    kept = {step["with"].get("name") for _, job in jobs() for step in steps(job, "actions/upload-artifact")}
    for name in by_clock:
        callers = [job for job in workflow(name)["jobs"].values() if "uses" in job]
        assert callers, name
        for job in callers:
            assert job["with"]["report"] in kept | {"log"}
            assert job["needs"] in workflow(name)["jobs"]


GH = """#!/bin/sh
echo "$@" >> "$TOLD"
case "$2" in
  list) echo "$ALREADY" ;;
  create|comment) for last; do :; done; cp "$last" "$TOLD.body" ;;
esac
"""


@pytest.mark.parametrize("already", ["", "17"])
@pytest.mark.parametrize("name", ["report.txt", "report.md"])
def test_a_report_becomes_an_issue_or_a_comment_of_the_open_one(tmp_path: Path, already: str, name: str) -> None:
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    report, told = tmp_path / name, tmp_path / "told"
    report.write_text("".join(f"line {number}\n" for number in range(20_000)))
    variables = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TOLD": str(told), "ALREADY": already}
    variables |= {"GITHUB_REPOSITORY": "OWNER/REPOSITORY", "GITHUB_RUN_ID": "5"}
    command = [str(ROOT / ".github" / "tell"), 'A "dead" link; $(touch x)', str(report)]
    subprocess.run(command, env=variables, cwd=tmp_path, check=True)
    asked, done = told.read_text().splitlines()
    assert asked.startswith("issue list --state open")
    assert done.startswith("issue comment 17 " if already else 'issue create --title A "dead" link; $(touch x) ')
    body = (tmp_path / "told.body").read_text()
    assert len(body) < 65_536, "GitHub takes no more"
    assert body.startswith("line 0\n" if name.endswith(".md") else "~~~~text\n")
    assert ("line 19999" in body) != name.endswith(".md"), "of a log the end, of a report the beginning"
    assert body.endswith("https://github.com/OWNER/REPOSITORY/actions/runs/5\n")


def test_telling_nothing_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([str(ROOT / ".github" / "tell"), "A title", "no-file"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: .github/tell TITLE FILE" in done.stderr


def test_the_site_shows_what_the_weekly_walk_found() -> None:
    weekly, site = workflow("verbatim"), workflow("site")
    assert set(weekly[ON]) == {"schedule", "workflow_dispatch"}
    job = weekly["jobs"]["pages"]
    assert "nox -s verbatim -- --all" in commands(job)
    (kept,) = steps(job, "actions/cache/save")
    (taken,) = steps(site["jobs"]["checks"], "actions/cache/restore")
    assert kept["with"]["path"] == taken["with"]["path"] == "build/verbatim/records"
    assert kept["with"]["key"].startswith(taken["with"]["restore-keys"])
    assert "cancelled" in kept["if"]


def test_a_pull_request_and_main_run_what_ci_runs() -> None:
    site = workflow("site")
    assert set(site[ON]) == {"pull_request", "push", "workflow_dispatch"}
    assert site[ON]["push"] == {"branches": ["main"]}
    job = site["jobs"]["checks"]
    assert "if" not in job
    assert ".ci/run\n" in commands(job)
    assert "-m checks.summary" in commands(job)
    (run,) = [step for step in job["steps"] if step.get("run", "").startswith(".ci/run")]
    assert run["env"] == {"CHANGED_SINCE": "${{ github.event.pull_request.base.sha }}"}
    (checkout,) = steps(job, "actions/checkout")
    assert checkout["with"]["fetch-depth"] == 0
    assert "docs/_build/html" in [step["with"]["path"] for step in steps(job, "actions/upload-artifact")]
    (cache,) = steps(job, "actions/cache")
    assert "hashFiles('locks/*.txt')" in cache["with"]["key"]


def test_main_is_published_with_the_ledger_of_its_own_run() -> None:
    site = workflow("site")
    build, publish = site["jobs"]["build"], site["jobs"]["publish"]
    assert (build["needs"], publish["needs"]) == ("checks", "build")
    assert "github.ref == 'refs/heads/main'" in build["if"]
    (ledger,) = steps(build, "actions/download-artifact")
    # No other run is named: what is taken is what this run's job `checks` kept.
    assert ledger["with"] == {"name": "ledger", "path": "build"}
    kept = {
        step["with"]["name"]: step["with"]["path"] for step in steps(site["jobs"]["checks"], "actions/upload-artifact")
    }
    # The archives of the files that pages start from go with it: readers download them.
    assert kept["ledger"].split() == ["build/ledger.json", "build/chains"]
    (building,) = [step for step in build["steps"] if "nox -s docs" in step.get("run", "")]
    assert building["env"] == {
        "SITE_URL": "${{ steps.pages.outputs.base_url }}",
        "REPOSITORY_URL": "${{ github.server_url }}/${{ github.repository }}",
        "ANALYTICS_URL": "${{ vars.ANALYTICS_URL }}",
    }
    (checkout,) = steps(build, "actions/checkout")
    assert checkout["with"]["fetch-depth"] == 0  # a shallow clone does not know when a page last changed
    assert [step["id"] for step in steps(build, "actions/configure-pages")] == ["pages"]


def test_no_pull_request_waits_for_other_sites() -> None:
    assert set(workflow("external-links")[ON]) == {"schedule", "workflow_dispatch"}
    assert "--external" not in TEXTS["site"]
