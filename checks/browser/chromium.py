"""The browser that the checks open: one of the machine's own, or one that is installed where that may be done.

It needs no package, since the noxfile asks it before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

#: A browser of the machine's own, in the order in which they are looked for. The first is Chromium without what draws
#: its window, and a quarter faster; Lighthouse asks for a whole one, if there is one.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: What is installed, with letters of the widths that most machines have.
PACKAGES = (SHELL, "fonts-liberation", "fonts-dejavu-core")
#: The folder in which Playwright keeps browsers; a variable says another one.
PLAYWRIGHT = Path.home() / ".cache" / "ms-playwright"

HOW_TO = (
    f"Install one: apt-get install {SHELL} (Debian), or "
    ".nox/browser/bin/playwright install --with-deps chromium (any system)"
)


def find(whole: bool = False) -> str | None:
    """The path of the machine's own browser, a whole one first if that is asked for; None where there is none."""
    return next(filter(None, map(shutil.which, sorted(NAMES, key=SHELL.__eq__) if whole else NAMES)), None)


def kept_by_playwright() -> bool:
    """Say whether Playwright has a Chromium, which it then finds by itself."""
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", PLAYWRIGHT))
    return any(folder.glob("chromium*"))


def why_not_installed() -> str | None:
    """Say why no browser can be installed here; None where it can."""
    if not shutil.which("apt-get"):
        return "this machine has no apt-get"
    if os.geteuid() != 0:
        return "apt-get needs root, and this is another user"
    return None


def install() -> str | None:
    """Install Debian's Chromium; gives what went wrong, None where it is there now."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "--quiet"],
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *PACKAGES],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"`{' '.join(command)}` failed:\n{(done.stderr or done.stdout).strip()}"
    return None if find() else f"`{PACKAGES[0]}` was installed, and there is no program {NAMES[0]!r}"
