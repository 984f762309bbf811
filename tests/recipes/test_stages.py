"""A stage runs once, and again where what decides it has changed or it was killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from recipes.stages import Facts, Run, StageFailed, command


class Work:
    """Counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> Facts:
        assert list(folder.iterdir()) == [], "it begins in an empty folder"
        self.times += 1
        (folder / "left").touch()
        return {"times": self.times}


@pytest.fixture
def quiet(tmp_path: Path) -> Run:
    return Run(tmp_path, {"code": "1"}, say=lambda _: None)


def test_what_was_done_is_not_done_again(quiet: Run, tmp_path: Path) -> None:
    work = Work()
    first = quiet.stage("sft", {"steps": 2}, work)
    again = Run(tmp_path, {"code": "1"}, say=lambda _: None).stage("sft", {"steps": 2}, work)
    assert work.times == 1
    assert first == again
    assert {"times", "seconds", "cpu_seconds"} == first.keys()


@pytest.mark.parametrize(("key", "settings"), [({"code": "2"}, {"steps": 2}), ({"code": "1"}, {"steps": 3})])
def test_another_key_or_setting_does_it_again(quiet: Run, tmp_path: Path, key: Facts, settings: Facts) -> None:
    work = Work()
    quiet.stage("sft", {"steps": 2}, work)
    Run(tmp_path, key, say=lambda _: None).stage("sft", settings, work)
    assert work.times == 2


def test_a_killed_stage_is_done_again_from_an_empty_folder(quiet: Run) -> None:
    def killed(folder: Path) -> Facts:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quiet.stage("sft", {}, killed)
    work = Work()
    quiet.stage("sft", {}, work)
    assert work.times == 1


def test_a_program_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"ended with 3: no rows"):
        command([sys.executable, "-c", "print('no rows'); raise SystemExit(3)"], tmp_path, dict(os.environ))


def test_memory_is_that_of_the_largest_process(tmp_path: Path) -> None:
    grow = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'bytearray(200_000_000)'])"
    assert command([sys.executable, "-c", grow], tmp_path, dict(os.environ)) > 190
