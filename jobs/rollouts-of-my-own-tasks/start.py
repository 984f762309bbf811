"""The practice model of the site, its answers, and eight of its tasks."""

import shutil
import subprocess
import sys
from pathlib import Path

DOWNLOADS = Path(__file__).resolve().parents[2] / "docs" / "downloads"
shutil.copy(DOWNLOADS / "practice_model.py", ".")
subprocess.run([sys.executable, "practice_model.py", "example"], check=True, capture_output=True)
tasks = Path("tasks.jsonl")
tasks.write_text("".join(tasks.read_text(encoding="utf-8").splitlines(keepends=True)[:8]), encoding="utf-8")
