"""The command line: each entry of `commands.COMMANDS` is a subcommand, made of its function's signature."""

from __future__ import annotations

import errno
import functools
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, get_type_hints

import typer

from gym_rollouts import __version__
from gym_rollouts.commands import COMMANDS
from gym_rollouts.errors import Fault
from gym_rollouts.files import reason_of
from gym_rollouts.needs import check_needs
from gym_rollouts.report import FAULT, Report

AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]


class Stopped(BaseException):
    """Another program, such as a scheduler, ends this one: it clears up as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        """Take the number of the signal."""
        super().__init__(number)
        self.number = number


def stop(number: int, _: object) -> None:
    """Answer a signal.

    Raises:
        Stopped: always.
    """
    raise Stopped(number)


def command(function: Callable[..., Report]) -> Callable[..., None]:
    """A function as a subcommand: its report is printed, and a fault becomes one line and an exit status."""

    @functools.wraps(function)
    def run(*, context: typer.Context, as_json: bool, **values: Any) -> None:
        given = [name for name in values if is_given(context, name)]
        if as_json and "quiet" in values:
            values["quiet"] = True
        try:
            check_needs(function.__name__, values, given, lambda name: spelled(context, name, values[name]))
            report = function(**values)
        except Fault as fault:
            sys.stderr.write(f"gym-rollouts: {fault}\n")
            raise typer.Exit(FAULT) from None
        except BrokenPipeError:  # `main` answers it
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            # NumPy says in words of its own, and without a number, that not everything could be written.
            full = error.errno in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            advice = ". Is the disk full? --spool names the folder for what is in between" if full else ""
            sys.stderr.write(f"gym-rollouts: {where}{reason_of(error)}; no output was written{advice}\n")
            raise typer.Exit(FAULT) from None
        except (KeyboardInterrupt, Stopped) as stopped:
            sys.stderr.write("gym-rollouts: stopped; no output was written\n")
            raise typer.Exit(128 + (stopped.number if isinstance(stopped, Stopped) else signal.SIGINT)) from None
        text = json.dumps(report.figures, ensure_ascii=False) if as_json else "\n".join(report.lines)
        sys.stdout.write(f"{text}\n")
        raise typer.Exit(report.status)

    hints = get_type_hints(function, include_extras=True)
    own = [each.replace(annotation=hints[each.name]) for each in inspect.signature(function).parameters.values()]
    last = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson)
    first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([*own, first, last])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in [*own, first, last]}
    run.__doc__ = inspect.cleandoc(function.__doc__ or "").partition("\nRaises:")[0].rstrip()
    del run.__wrapped__
    return run


def is_given(context: typer.Context, name: str) -> bool:
    """Say whether the user gave a parameter, be it its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def spelled(context: typer.Context, name: str, value: Any) -> str:
    """A parameter as the user gives it: `--no-reasoning` is another option than `--reasoning`."""
    parameter = next(each for each in context.command.params if each.name == name)
    return str((parameter.secondary_opts if value is False else parameter.opts)[0])


def app() -> typer.Typer:
    """The command line with all subcommands."""
    made = typer.Typer(
        name="gym-rollouts",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Turn NeMo Gym rollouts into files that a trainer loads. Every line that is left out is named.",
        epilog="Exit status: 0, fine; 1, nothing usable or something found; 2, wrong use, and nothing was written.",
    )

    @made.callback(invoke_without_command=True)
    def version(
        show: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
    ) -> None:
        if show:
            sys.stdout.write(f"gym-rollouts {__version__}\n")
            raise typer.Exit

    for name, module in COMMANDS.items():
        made.command(name)(command(getattr(import_module(module), name)))
    return made


def group() -> Any:
    """The command line as a group of click's, which can be asked for its commands and their flags."""
    return typer.main.get_command(app())


def main() -> None:
    """Run the command line."""
    for name in ("SIGTERM", "SIGHUP"):  # else the spool, and what is unfinished beside the outputs, would stay
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, stop)
    try:
        app()()
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAULT) from None
