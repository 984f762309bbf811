"""`gym-rollouts scan`: secrets and personal data in files of JSON Lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import open_session
from gym_rollouts.errors import Fault
from gym_rollouts.files import open_sources
from gym_rollouts.messages import Template
from gym_rollouts.passes import Lines, over_lines, piece
from gym_rollouts.private import RULES, Finding, names, scan_line, search_for
from gym_rollouts.report import FINE, FOUND, Report, table
from gym_rollouts.writing import FORMATS, format_of
from gym_rollouts.writing.layout import Layout

Target = Optional[Path]
SUFFIXES = [".jsonl", ".jsonl.gz", ".jsonl.zst"]


@dataclass(frozen=True)
class Scan:
    """The work on a range: its findings, each with the number of its line, and the lines without them if asked."""

    rules: tuple[str, ...]
    folder: Path | None

    def __call__(self, number: int, lines: Lines) -> list[tuple[int, Finding]]:
        """Scan the lines of a range."""
        search, found = search_for(self.rules), list[tuple[int, Finding]]()
        out = piece(self.folder, number).open("wb") if self.folder else None
        try:
            for place, (_, line) in enumerate(lines):
                new, findings = scan_line(search, line)
                found += [(place, each) for each in findings]
                if out:
                    out.write(new + b"\n")
        finally:
            if out:
                out.close()
        return found


@dataclass
class Located:
    """A finding with the file and the line that it stands in: a row of --findings."""

    file: str
    line: int
    field: str
    rule: str
    masked: str


def scan(
    files: Annotated[list[Path], typer.Argument(help="Files of JSON Lines, packed or not; - is standard input.")],
    *,
    redact: Annotated[
        Target, typer.Option("--redact", help="A copy of all lines to write, without what was found.")
    ] = None,
    findings: Annotated[Target, typer.Option("--findings", help="Where to write every finding, as JSON Lines.")] = None,
    only: Annotated[
        Optional[list[str]], typer.Option("--only", help="A rule to look for, and no other; repeatable.")
    ] = None,
    without: Annotated[Optional[list[str]], typer.Option("--without", help="A rule to leave out; repeatable.")] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="At most so many findings are printed.")] = 50,
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    quiet: o.Quiet = False,
) -> Report:
    """Find secrets and personal data: keys, tokens, passwords, addresses, telephone, card and account numbers.

    Every text, key and number of every line is looked at as it reads without escapes, JSON within texts too, and a
    line that is no JSON as it stands. What is printed is masked. The exit status is 1 if anything was found, or there
    is no line. Names, postal addresses and secrets without a form of their own are not found: for those take a tool
    for personal data, and read a sample.

    Examples:

        gym-rollouts scan rollouts.jsonl

        gym-rollouts scan sft.jsonl --without email --redact clean.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or there is no such rule.
    """
    for option, given in (("--only", only), ("--without", without)):
        for name in given or []:
            if name not in RULES:
                raise Fault(f"{option} {name!r}: there is no such rule. There are: {', '.join(RULES)}")
    rules = tuple(names(only or [], without or []))
    if not rules:
        raise Fault("--only and --without leave no rule to look for: leave one of them out")
    by_rule, by_file, located, count, lines = Counter[str](), Counter[str](), list[Located](), 0, 0
    encoder = msgspec.json.Encoder()
    with open_session(files, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet) as session:
        suffix = format_of(redact, "--redact", SUFFIXES) if redact else ""
        clean = session.outputs.claim(redact, "--redact")[0] if redact else None
        if findings:
            format_of(findings, "--findings", [".jsonl"])
        named = session.outputs.claim(findings, "--findings")[0] if findings else session.spool / "findings.jsonl"
        folder = session.spool / "redacted" if clean else None
        if folder:
            folder.mkdir()
        sources = open_sources(files, session.spool)
        pieces = 0
        with named.open("wb") as out:
            for part in over_lines(sources, session.engine, Scan(rules, folder), "scanning", quiet):
                lines, pieces = lines + part.lines, pieces + 1
                for place, each in part.result:
                    file = sources[part.source].name.encode("utf-8", "replace").decode()
                    path = each.path.encode("utf-8", "replace").decode()
                    one = Located(file, part.line + place, path, each.rule, each.masked)
                    out.write(encoder.encode(one) + b"\n")
                    by_rule[each.rule] += 1
                    by_file[file] += 1
                    count += 1
                    if len(located) < show:
                        located.append(one)
        if clean and folder:
            ordered = [piece(folder, number) for number in range(pieces)]
            FORMATS[suffix].join(ordered, Layout("sft", Template(), False), clean)
    damages = [f"{source.name}: not looked at to its end: {source.damage}" for source in sources if source.damage]
    figures: dict[str, Any] = {"lines": lines, "findings": count, "rules": dict(by_rule.most_common())}
    figures |= {"files": dict(by_file), "unread": damages, "first": [asdict(each) for each in located]}
    said = [f"{each.file}:{each.line}: {each.field}: {each.rule}: {each.masked}" for each in located]
    if count > len(located):
        said.append(f"... and {count - len(located):,} more" + ("" if findings else ": name --findings to have all"))
    if by_rule:
        said += ["", *table(["rule", "findings"], [[rule, f"{number:,}"] for rule, number in by_rule.most_common()])]
    said += damages
    if not lines:
        said.append("nothing was looked at: there is no line")
    said.append(f"{lines:,} lines, {count:,} findings" + (f"; {redact}: {lines:,} rows without them" if redact else ""))
    return Report(figures, said, FOUND if count or damages or not lines else FINE)
