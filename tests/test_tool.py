"""What the tool does beside an installed NeMo Gym, and on Ray: its own sessions have neither."""

from __future__ import annotations

import re
import subprocess
import sys

from pinned.symbols import ROOT


def test_its_tests_that_need_nemo_gym_or_ray_pass() -> None:
    tool = ROOT / "gym-rollouts"
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-m", "beside", "-n", "0", "-q"]
    done = subprocess.run(command, cwd=tool, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    closing = done.stdout.splitlines()[-1]
    assert re.match(r"[3-9]\d* passed", closing), closing
    assert "skipped" not in closing
