"""Judge a block: one entry for each language, in `LANGUAGES`.

An evaluator takes the page's session, a block, and what the block right above it printed. It returns its verdict, with
what the block printed itself. It raises `Failure` when a reader who does what the page says would not get what the page
says.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from harness.blocks import Block
from harness.console import Command, commands_of, python_in
from harness.consumers import CONSUMERS, PARSERS, PROGRAMS, PYTHON, program_of
from harness.excerpts import excerpt, never_run
from harness.expected import could_still_match, difference, matches, normalize, says_nothing, too_broad, updated
from harness.installs import brought_by, check_install, is_install
from harness.nearest import nearest
from harness.session import NETWORK_MESSAGE, PageSession
from harness.shell import Result, Timeout
from harness.update import Edit
from harness.verdict import EXECUTED, SHOWN, VALIDATED, Failure, Printed, Verdict

Evaluator = Callable[[PageSession, Block, Printed | None], Verdict]

#: Words that a reason for any block could hold.
EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a an and are as at be being block by can code command demonstration details doc docs documentation does
        example examples explanation for from here how i illustration illustrative in is it its just later like
        listing more nothing not of on only or output page please printed prints purpose purposes reader readers
        reason reasons reference run runs sake sample see show showing shown shows site snippet so some test tested
        tests text than that the this to todo validated we what why with you your
        """,
    )
)

#: The options whose value is a reason, and what that must say.
REASONS = {
    "shown": "why this block is neither run nor validated",
    "quiet": "what this block prints that the page need not show",
}


#: A caption that readers take for the name under which they are to save the block.
_FILE_NAME = re.compile(r"`?[\w./-]*[\w-]\.[A-Za-z]\w*`?")

#: How a block may say that it fails: a command by its exit status, Python by the class of its exception.
_FAILURES = (re.compile(r"[1-9]\d{0,2}"), re.compile(r"[A-Za-z_][\w.]*"))


def look(block: Block) -> None:
    """What can be said of a block before anything runs.

    Raises:
        Failure: a language that nothing judges, or a skip without a reason.
    """
    for option, what in REASONS.items():
        if option in block.options and not _tells(block.option(option)):
            given = block.option(option)
            found = f"gives no reason in {given!r}" if given else "has no reason"
            raise Failure(f"`:{option}:` {found}: say, for the reader, {what}", block.line)
    if "shown" in block.options:
        return
    if block.language not in LANGUAGES:
        what = f"the language {block.language!r} has no evaluator: {nearest(block.language, LANGUAGES)}"
        if not block.language:
            what = f"a block without a language: name one of {', '.join(sorted(LANGUAGES))} after the opening fence"
        raise Failure(what + "; or show the block with `:shown: <reason>`", block.line)
    if "fails" in block.options and (not _prints(block) or {"terminal", "consumer"} & block.options.keys()):
        raise Failure("`:fails:` is for a block that runs to its end: take it away", block.line)
    if (fails := block.option("fails")) is not None and not _FAILURES[block.language == "python"].fullmatch(fails):
        kind = "exception, as in `:fails: ValueError`" if block.language == "python" else "status, as in `:fails: 1`"
        raise Failure(f"`:fails: {fails}` does not say how it fails: name the {kind}", block.line)
    if (caption := block.option("caption")) and _FILE_NAME.fullmatch(caption) and "file" not in block.options:
        raise Failure(
            f"the caption names a file, {caption}, which nobody saves: give the block `:file: {caption.strip('`')}`, "
            "which shows the same caption",
            block.line,
        )
    if "ends" in block.options and "terminal" not in block.options:
        raise Failure("`:ends:` is for a command in a terminal of its own: take it away", block.line)
    if "quiet" in block.options and not _prints(block):
        raise Failure("`:quiet:` is for a block that prints: take it away", block.line)


def _tells(reason: str) -> bool:
    """Whether a reason holds two words or more that only this block would need."""
    words = re.findall(r"[^\W_]+", reason.lower())
    return len({word for word in words if word not in EMPTY_WORDS}) > 1


def _prints(block: Block) -> bool:
    return block.language in ("python", "console", "bash") and "file" not in block.options


def evaluate(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """The verdict on one block of the session's page, after those above it.

    Args:
        session: the page, as the blocks above have left it.
        block: the block.
        above: what the block right above it printed, if that is one under which an output block may stand.

    Raises:
        Failure: with the page's line and what to do.
    """
    look(block)
    if "shown" in block.options:
        if session.uses:
            session.uses.only_shown(block)
        return Verdict(SHOWN, "neither run nor validated", block.option("shown"))
    if (condition := block.option("when")) and not session.host.follows(condition):
        return Verdict(SHOWN, "for another reader", f"for {condition}")
    session.judged.append(block)
    try:
        return LANGUAGES[block.language](session, block, above)
    except Failure as failure:
        if session.reader is not None and (hint := session.reader.hint(failure.message)):
            failure.message += f"\n{hint}"
        raise
    finally:
        if session.uses:
            session.uses.ran(block)
        # Also where it failed for another reason: one of these is the cause.
        session.refuse_ignored()
        session.refuse_network()
        session.refuse_ended()
        session.refuse_failed_jobs()


# ----------------------------------------------------------------------------------------------- Python


def run_python(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """Run it in the page's process, or save it as the file that it shows: at the page's end it must have run."""
    if name := block.option("file"):
        session.write(name, block)
        try:
            compile(block.source, name, "exec")
        except SyntaxError as error:
            line = block.source_line + (error.lineno or 1) - 1
            raise Failure(f"not Python: {error.msg}", line) from None
        _refuse_fields(session, block.source, block.source_line)
        return Verdict(EXECUTED, f"saved as {name}, which the page runs")
    if "fails" not in block.options:
        _refuse_fields(session, block.source, block.source_line)
    answer = session.python(block, block.source, block.option("fails"))
    if answer["reached_for"]:
        raise Failure(NETWORK_MESSAGE.format(where=" (" + ", ".join(answer["reached_for"]) + ")"), answer.get("line"))
    printed = normalize(answer["printed"])
    wanted = block.option("fails")
    if "error" in answer:
        if not answer["as_said"]:
            expected = f"expected {wanted} itself, found {answer['type']}" if wanted else "it raised"
            raise Failure(f"{expected}:\n{_indent(answer['error'])}", answer["line"])
        printed = "\n".join(filter(None, [printed, answer["said"]]))
    elif wanted:
        raise Failure(f"expected it to raise {wanted} (`:fails:`), but it did not")
    how = "ran in the page's Python process" + (f" and raised {wanted}, as said" if wanted else "")
    return Verdict(EXECUTED, how, printed=_printed(session, block, printed))


def _refuse_fields(session: PageSession, program: str, first_line: int) -> None:
    """Fail on a field that a program gives a class of NeMo Gym which would drop it in silence."""
    if session.host.genuine or "nemo_gym" not in program:
        return
    for at, message in session.host.ask(PYTHON, program, session.directory):
        raise Failure(message, first_line + at - 1)


def _printed(session: PageSession, block: Block, printed: str) -> Printed:
    """What was printed, for the output block that follows.

    Raises:
        Failure: none follows, so that the reader would not expect it.
    """
    blocks = session.blocks
    following = blocks[blocks.index(block) + 1 :]
    shown = following and following[0].language == "output"
    if printed and not shown and "quiet" not in block.options:
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", printed))])
        shown = f"{fence}output\n{printed}\n{fence}"
        raise Failure(
            f"it prints, but no output block follows. Put this under it (or run the tests with --update){NOT_SHOWN}:\n"
            + _indent(shown),
            edits=[Edit(block.end + 1, block.end + 1, "\n" + shown, block.end)],
        )
    return Printed(printed, block)


def compare_output(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """Hold an output block against what the block above it printed."""
    if above is None:
        raise Failure("an output block, but the block above it is none that prints")
    _compare(block.source, above.text, block.source_line, block)
    return Verdict(EXECUTED, f"is what the block on line {above.by.line} printed")


def _compare(want: str, got: str, line: int, block: Block) -> None:
    if normalize(want) == normalize(got):  # its dots, too, were printed
        return
    if says_nothing(want):
        raise Failure("the expected output is `...` alone, which any output would match: show some of it", line)
    if broad := too_broad(want):
        raise Failure(f"the expected output is too broad: {broad[1]}", line + broad[0] - 1)
    if not matches(want, got):
        hint = "Correct the page, put `...` for a part that varies, or run the tests with --update."
        edit = Edit(line, line + want.removesuffix("\n").count("\n") + bool(want), updated(want, got), block.end)
        raise Failure(f"the output differs. {hint}\n{difference(want, got)}", line, [edit])


# ---------------------------------------------------------------------------------------------- console


def run_console(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """Run every command in the page's shell, in order, and hold its output against the lines under it."""
    commands = commands_of(block)
    if not commands:
        raise Failure("an empty console block")
    if "terminal" in block.options:
        return _keep_running(session, block, commands)
    if "consumer" in block.options:
        return _only_parsed(session, block, commands)
    installs = 0
    wrong: list[Failure] = []
    for command in commands:
        if is_install(command.text) and not session.host.installs:
            check_install(command.text, command.line, session.page.environment, session.directory)
            if session.reader is not None:
                session.reader.installs(brought_by(command.text, command.line))
            installs += 1
            continue
        wanted = block.option("fails") if command is commands[-1] else None
        if wanted is None and (program := program_of(command.text)) in PROGRAMS:
            _refuse_arguments(session, command, program)
        if wanted is None:
            for at, program in python_in(command.text):
                _refuse_fields(session, program, command.line + at)
        try:
            _run_command(session, block, command, int(wanted) if wanted else 0)
        except Failure as failure:
            if not failure.edits:
                raise
            wrong.append(failure)  # the commands after it run all the same: --update needs what they print too
    if wrong:
        raise Failure(wrong[0].message, wrong[0].line, [edit for each in wrong for edit in each.edits])
    if installs == len(commands):
        return Verdict(VALIDATED, "held against the lock of the page's environment")
    return Verdict(EXECUTED, f"ran in the page's shell ({len(commands) - installs} of {len(commands)} commands)")


def _only_parsed(session: PageSession, block: Block, commands: list[Command]) -> Verdict:
    """Give commands that cannot run here, such as those that need GPUs, to the program's own parser."""
    program = _program(block.option("consumer"))
    for command in commands:
        if program_of(command.text) != program:
            raise Failure(f"`{_short(command.text)}` does not start {program}, which is to parse it", command.line)
        if command.output.strip():
            raise Failure(
                f"`{_short(command.text)}` is only parsed (`:consumer:`), so that nothing judges what stands under it: "
                "take the output away, run the command, or show it in a block of its own with `:shown: <reason>`",
                command.output_line,
            )
        _refuse_arguments(session, command, program)
    return Verdict(VALIDATED, f"parsed as `{program}` parses it")


def _program(name: str | None) -> str:
    """The name of a program whose command lines can be judged."""
    if name not in PARSERS:
        raise Failure(f"no program {name!r} whose command lines are parsed: {nearest(name or '', PARSERS)}")
    return name


def _refuse_arguments(session: PageSession, command: Command, program: str) -> None:
    """Fail on what the program's own parser refuses of a command line, or would take for something else."""
    if session.host.genuine:
        return
    for at, message in session.host.ask(PARSERS[program], command.text, session.directory):
        raise Failure(message, command.line + at - 1)


def _run_command(session: PageSession, block: Block, command: Command, wanted: int) -> None:
    _refuse_hidden(command.text, command.line)
    try:
        result = session.shell(command.text)
    except Timeout as error:
        raise Failure(
            f"`{_short(command.text)}` did not end within {session.host.timeout:.0f} s. If it is meant to stay "
            f"running, give its block `:terminal: <name>`.\n{_indent(_tail(str(error)))}",
            command.line,
        ) from None
    _refuse_questions(result, command.text, command.line)
    if result.status != wanted:
        said = f"exited with {result.status}" + (f", not with {wanted} as `:fails:` says" if wanted else "")
        raise Failure(f"`{_short(command.text)}` {said}:\n{_indent(_tail(result.output))}", command.line)
    _refuse_failed_parts(result, command.text, command.line)
    if command.output.strip():
        _compare(command.output, result.output, command.output_line, block)
    elif (printed := normalize(result.output)) and "quiet" not in block.options and not is_install(command.text):
        raise Failure(
            f"`{_short(command.text)}` prints, but nothing stands under it. Put this there (or run the tests with "
            f"--update){NOT_SHOWN}:\n{_indent(_tail(result.output))}",
            command.line,
            [Edit(command.output_line, command.output_line, printed, block.end)],
        )


#: Commands whose status says nothing of success: of what they end, or wait for.
_ENDS_OTHERS = frozenset({"wait", "kill", "pkill", "killall"})


def _refuse_hidden(text: str, line: int) -> None:
    """Fail where ``text``, which starts on ``line`` of the page, would be silent of a command that fails.

    Raises:
        Failure: it names the command.
    """
    for at, row in enumerate(text.split("\n")):
        for name in _hidden_in(row):
            raise Failure(
                f"`{row.strip()}` hides whether `{name}` works, from the reader and from the tests. Leave out what "
                "stands behind `||`, or end the block with the command, and say `:fails: <status>`",
                line + at,
            )


def _hidden_in(row: str) -> Iterator[str]:
    """The names of the commands in a line of bash after which stands ``|| true`` or the like."""
    lexer = shlex.shlex(row, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quote that ends on another line
        return
    command: list[str] = []
    for at, word in enumerate(words):
        nothing = words[at + 1 : at + 3] == ["exit", "0"] or Path("".join(words[at + 1 : at + 2])).name in ("true", ":")
        if word == "||" and nothing and command and command[0] not in _ENDS_OTHERS:
            yield command[0]
        command = [] if word in _SEPARATORS else [*command, word]


_SEPARATORS = frozenset({"||", "&&", ";", "|", "&", "|&", "(", ")", "{", "}", "then", "do", "else", "!", "if", "while"})


def _refuse_questions(result: Result, text: str, line: int) -> None:
    """Fail where a command has read what a reader would have had to type.

    Raises:
        Failure: it names the command.
    """
    if result.asked:
        raise Failure(
            f"`{_short(text)}` waits for something that is typed, of which the page says nothing: give it the option "
            f"with which it does not ask, or its input, as in `echo yes | command`.\n{_indent(_tail(result.output))}",
            line,
        )


def _refuse_failed_parts(result: Result, text: str, line: int) -> None:
    """Fail where a part of ``text``, which starts on ``line`` of the page, failed and the rest hid it.

    Raises:
        Failure: it names the part and its exit status.
    """
    for part in result.failed_parts:
        at = min(part.line, text.count("\n") + 1)
        raise Failure(
            f"`{text.split(chr(10))[at - 1].strip()}` exited with {part.status}, and what follows it hid that. A part "
            f"that is meant to fail ends its block, with `:fails: {part.status}`, or stands in an `if` or before "
            f"`||`:\n{_indent(_tail(result.output))}",
            line + at - 1,
        )


def _keep_running(session: PageSession, block: Block, commands: list[Command]) -> Verdict:
    """Start a command that stays running; it is ready when it has printed what the page shows under it."""
    if len(commands) != 1:
        raise Failure("a terminal that stays busy takes one command: give each its own block")
    command = commands[0]
    if not command.output.strip() or says_nothing(command.output):
        raise Failure("show under the command what it prints once it is ready: readers wait for it, and so do tests")
    if broad := too_broad(command.output):
        raise Failure(f"the expected output is too broad: {broad[1]}", command.output_line + broad[0] - 1)
    terminal = session.terminal(block.option("terminal"), command.text, command.line)
    terminal.shown, terminal.quiet, terminal.ends = command.output, "quiet" in block.options, "ends" in block.options
    try:
        terminal.wait(lambda output: could_still_match(command.output, output), session.host.timeout / 2)
    except Timeout as error:
        found = difference(command.output, str(error))
        raise Failure(f"it never printed what the page shows under it.\n{found}", command.output_line) from None
    if not terminal.ready:
        raise Failure(
            f"`{_short(command.text)}` ended (exit status {terminal.process.returncode}) instead of staying "
            f"ready:\n{_indent(_tail(terminal.output))}",
            command.line,
        )
    return Verdict(EXECUTED, "runs in a terminal of its own while the page is followed")


def run_bash(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """Run it in the page's shell, or save it as the script that it shows: at the page's end it must have run."""
    if name := block.option("file"):
        session.write(name, block)
        result = session.shell(f"bash -n {shlex.quote(name)}")
        if result.status:
            raise Failure(f"not bash:\n{_indent(result.output)}")
        if program := block.option("consumer"):
            _refuse_arguments(session, Command(block.source, "", block.source_line, 0), _program(program))
        return Verdict(EXECUTED, f"saved as {name}, which the page runs")
    _refuse_hidden(block.source, block.source_line)
    result = session.shell(block.source)
    _refuse_questions(result, block.source, block.source_line)
    if result.status != int(block.option("fails") or 0):
        raise Failure(f"it exited with {result.status}:\n{_indent(_tail(result.output))}")
    _refuse_failed_parts(result, block.source, block.source_line)
    printed = _printed(session, block, normalize(result.output))
    return Verdict(EXECUTED, "ran in the page's shell", printed=printed)


#: How else to mend a block that prints what the page does not show.
NOT_SHOWN = ", with `...` for what varies; or, where no reader needs it, give the block `:quiet: <reason>`"


# ------------------------------------------------------------------------------------------------- data


def consume(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """Save a file, and give it, or a fragment of one, to the consumer that the block names."""
    name, whole = block.option("file"), block.option("part-of")
    if whole and whole not in session.files:
        raise Failure(f"a fragment of {whole!r}, but no block above shows that file: {nearest(whole, session.files)}")
    consumer = block.option("consumer") or _consumer_of(session, whole)
    if consumer is None:
        raise Failure(
            f"a {block.language} block that names no consumer: give it `:consumer:`, such as one of "
            f"{', '.join(sorted(CONSUMERS))}; or show it with `:shown: <reason>`"
        )
    if consumer not in CONSUMERS:
        raise Failure(f"no consumer {consumer!r}: {nearest(consumer, CONSUMERS)} (they are in harness/consumers)")
    if block.language == "yaml" and name is None and whole is None:
        raise Failure("a YAML block without `:file: <name>` or `:part-of: <name>`: the reader must know where it goes")
    if name:
        session.write(name, block)
    found = session.host.consumer_problems(consumer, block.source, session.directory)
    if whole and not found:
        merged = _merged(session.directory / whole, block.source)
        found = session.host.consumer_problems(consumer, merged, session.directory)
        found = [(1, f"merged into {whole}: {message}") for _, message in found]
    if found:
        line = block.source_line + found[0][0] - 1
        rows = "\n".join(f"    line {block.source_line + at - 1}: {message}" for at, message in found)
        raise Failure(f"{consumer} does not take this:\n{rows}", line)
    return Verdict(VALIDATED, f"parsed as `{consumer}` reads it" + (f" and saved as {name}" if name else ""))


def _consumer_of(session: PageSession, file: str | None) -> str | None:
    block = session.files.get(file or "")
    return block.option("consumer") if block else None


def _merged(path: Path, fragment: str) -> str:
    def merge(low: object, high: object) -> object:
        if isinstance(low, dict) and isinstance(high, dict):
            return low | {key: merge(low.get(key), value) for key, value in high.items()}
        return high

    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    return yaml.safe_dump(merge(whole, yaml.safe_load(fragment)), sort_keys=False)


def look_up_excerpt(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """See that the package's own tests have run each line of it."""
    if "of" not in block.options:
        raise Failure("an excerpt is a directive: ```{excerpt} gym_rollouts.MODULE.NAME", block.line)
    shown = excerpt(block.option("of"))
    if lines := never_run(shown):
        rows = "\n".join(f"    {line}: {shown.text.split(chr(10))[line - shown.first]}" for line in lines)
        raise Failure(
            f"the tests of {shown.path.name} never run these lines, which the page shows. Test them, in "
            f"gym-rollouts/tests, and run nox -s tool -p 3.13:\n{rows}",
            block.line,
        )
    return Verdict(EXECUTED, "each line ran in the tool's tests")


def only_shown(session: PageSession, block: Block, above: Printed | None) -> Verdict:
    """Text that nothing made: it needs a reason that the reader sees."""
    raise Failure("a text block is no output of anything: make it an `output` block, or give it `:shown: <reason>`")


# ----------------------------------------------------------------------------------------------- helpers


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.strip("\n").split("\n"))


def _tail(text: str, lines: int = 40) -> str:
    return "\n".join(normalize(text).split("\n")[-lines:])


def _short(command: str) -> str:
    first, more, _ = command.partition("\n")
    return first + " ..." if more else first


#: Every language that a block may have, with its evaluator.
LANGUAGES: dict[str, Evaluator] = {
    "python": run_python,
    "output": compare_output,
    "console": run_console,
    "bash": run_bash,
    "yaml": consume,
    "json": consume,
    "jsonl": consume,
    "text": only_shown,
    "excerpt": look_up_excerpt,
}
