"""A live NeMo Gym: the installed package's own commands and servers, warm, for every page of a test session.

``Zygote`` is the whole interface::

    with Zygote() as gym:
        subprocess.run(["bash", "-c", "gym --version"], env=os.environ | gym.env())
        gym.call("harness.consumers.gym:validate", "config.yaml")

A shim (``client``) stands on PATH for each command; the process that it talks to (``zygote``) forks itself, becomes
a fresh process (``child``) and runs the command; servers that the command starts are forks too (``servers``).
"""

from harness.live.control import CallError, Zygote
from harness.live.quiet import QUIET_ENV

__all__ = ["QUIET_ENV", "CallError", "Zygote"]
