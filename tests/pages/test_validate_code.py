"""The two programs of ``datasets/validate-format``, as readers copy them, on all that ships and on planted faults."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.pages import page_at
from tests.live.support import ROOT, example, read_jsonl

PAGE = page_at(ROOT / "docs", "training/datasets/validate-format")


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """A directory with the page's programs."""
    directory = tmp_path_factory.mktemp("programs")
    for block in PAGE.blocks:
        if (name := block.option("file")) and name.endswith(".py"):
            (directory / name).write_text(block.source)
    return directory


@pytest.fixture
def run(programs, tmp_path):
    def run_program(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, programs / name, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run_program


def write(path: Path, *rows: dict | str) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def shipped(pattern: str) -> list[Path]:
    import nemo_gym

    return sorted(nemo_gym.PARENT_DIR.glob(pattern))


def test_every_line_of_every_shipped_rollout_file_is_sound_or_named(run):
    files = shipped("*/*/data/*example_rollouts*.jsonl")
    assert len(files) >= 187
    done = run("check_rows.py", "rollouts", *files)
    assert done.stderr == ""
    assert done.returncode == 1
    lines = {path: len(path.read_bytes().splitlines()) for path in files}
    read = dict(re.findall(r"^(.+): (\d+) lines read$", done.stdout, re.MULTILINE))
    assert {path: int(read[str(path)]) for path in files} == lines
    named = [line for line in done.stdout.splitlines() if not line.endswith("lines read")]
    for line in named:
        path, number, fault = re.fullmatch(r"(.+?\.jsonl):(\d+): (.+)", line).groups()
        assert 1 <= int(number) <= lines[Path(path)]
        assert fault
    assert 0 < len(named) < sum(lines.values())


def test_the_scan_reads_every_shipped_task_file(run):
    done = run("scan_private.py", *shipped("resources_servers/*/data/example.jsonl"))
    assert done.stderr == ""
    assert "e-mail address" in done.stdout


def test_sound_rows_and_rejects_are_all_rows(run, tmp_path):
    good = read_jsonl(example("mcqa"))
    cut = json.dumps(good[1])[:-5]
    path = write(tmp_path / "tasks.jsonl", *good, cut, "", good[0])
    done = run("check_rows.py", "tasks", path, "--server", "mcqa", "--sound", tmp_path / "sound")
    assert done.returncode == 1
    assert read_jsonl(tmp_path / "sound" / "tasks.jsonl") == good
    rejects = read_jsonl(tmp_path / "sound" / "tasks_rejects.jsonl")
    assert [reject["line"] for reject in rejects] == [6, 7, 8]
    assert [reject["text"] for reject in rejects] == [cut, "", json.dumps(good[0])]


def test_a_server_without_a_schema_is_refused(run, tmp_path):
    done = run("check_rows.py", "tasks", write(tmp_path / "tasks.jsonl", {}), "--server", "mcqaa")
    assert done.returncode == 1
    assert "no resources server 'mcqaa'" in done.stderr


SECRETS = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "AWS key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "GitHub token": "ghp_" + "a1" * 18,
    "Hugging Face token": "hf_" + "a" * 34,
    "NVIDIA API key": "nvapi-" + "a" * 64,
    "sk- API key": "sk-" + "a1" * 20,
    "Slack token": "xoxb-" + "1" * 12,
    "JSON web token": "eyJh.eyJz.abc".replace(".", "bGciOi.", 1),
    "e-mail address": "a.b@example.org",
    "telephone number": "+44 20 7946 0000",
    "payment card": "4111 1111 1111 1111",
}


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items(), ids=SECRETS)
def test_each_form_is_found_and_never_shown(kind, secret, run, tmp_path):
    row = {"response": {"output": [{"content": [{"text": f"It is {secret}, they said."}]}]}}
    done = run("scan_private.py", write(tmp_path / "rows.jsonl", {"reward": 1.0}, row))
    assert done.stdout == f"{tmp_path / 'rows.jsonl'}:2: response.output.0.content.0.text: {kind}\n"
    assert secret not in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("text", ["4111 1111 1111 1112", "task-0123456789", "2 + 2 = 4", "sk-ip", "a@b", "1.05"])
def test_what_is_none_is_not_found(text, run, tmp_path):
    done = run("scan_private.py", write(tmp_path / "rows.jsonl", {"text": text}))
    assert (done.stdout, done.returncode) == ("", 0)


def test_a_secret_in_a_broken_line_is_found(run, tmp_path):
    done = run("scan_private.py", write(tmp_path / "rows.jsonl", '{"text": "a.b@example.org'))
    assert done.stdout.endswith(":1: : e-mail address\n")
