"""Which of NeMo Gym's classes read the settings of each ``gym`` command. Importable without NeMo Gym.

`commands.json` holds what the pinned install says; ``nox -s reference`` writes it.
"""

from __future__ import annotations

import json
from pathlib import Path

#: The classes, as ``module:Name``, into which each ``gym`` command parses the global configuration, beside the keys
#: reserved for all. A command that parses none takes only servers and reserved keys.
COMMAND_CONFIGS: dict[str, tuple[str, ...]] = {
    command: tuple(classes)
    for command, classes in json.loads(Path(__file__).with_name("commands.json").read_text(encoding="utf-8")).items()
}
