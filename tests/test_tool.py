"""What the tool does beside an installed NeMo Gym, and on Ray: its own sessions have neither."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from pinned.symbols import ROOT

#: Imports what Ray's own helper does. Ray ends after 15 seconds without it, which compiling takes on a busy machine.
WARM = """\
from ray.dashboard import agent, utils
utils.get_all_modules(utils.DashboardAgentModule)
"""


def test_its_tests_that_need_nemo_gym_or_ray_pass() -> None:
    tool = ROOT / "gym-rollouts"
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-m", "beside", "-n", "0", "-q"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", WARM], env=environment, capture_output=True, check=True)
    done = subprocess.run(command, cwd=tool, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    closing = done.stdout.splitlines()[-1]
    assert re.match(r"[3-9]\d* passed", closing), closing
    assert "skipped" not in closing
