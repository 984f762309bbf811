"""Options that several commands have, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from gym_rollouts.engine import EngineName

Rollouts = Annotated[
    list[Path],
    typer.Argument(help="Rollouts files: plain, .gz, .zst, .bz2 or .xz; - is standard input.", show_default=False),
]
Rejects = Annotated[Path, typer.Option("--rejects", help="Where to name every line that is left out, and why.")]
Workers = Annotated[
    Optional[int], typer.Option("--workers", min=1, help="Processes; unset, one for each core.", show_default=False)
]
Spool = Annotated[
    Optional[Path],
    typer.Option("--spool", help="A folder for temporary files; unset, that of the system.", show_default=False),
]
Engine = Annotated[EngineName, typer.Option("--engine", help="This machine's cores, or Ray.")]
Address = Annotated[
    Optional[str],
    typer.Option("--address", help="A Ray to join; unset, one of its own starts and ends.", show_default=False),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Ks = Annotated[
    Optional[list[int]],
    typer.Option("--k", min=1, help="For pass@k; repeatable. [default: 1 2 4 8]", show_default=False),
]
Solved = Annotated[float, typer.Option("--solved", help="The reward from which an attempt counts as solved.")]
Facts = Annotated[
    Optional[Path],
    typer.Option("--facts", help="A folder that keeps what is known of each line: the next command is faster."),
]
