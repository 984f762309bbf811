"""How long and wide the pages are: a planted fault of each kind is named, and all pages of the site are judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import limits
from checks.limits import DOCS, Measured, faults, measure
from harness.pages import Page, all_pages
from pinned.reference_pages import GENERATED, is_generated
from tests.site.conftest import FRONT_MATTER, page

COMMAND = "```console\n$ true\nok\n```\n"


def planted(tmp_path: Path, body: str, name: str = "a", content_type: str = "how-to") -> Page:
    path = tmp_path / f"docs/{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(body, front_matter=FRONT_MATTER.replace("how-to", content_type)), encoding="utf-8")
    return Page(tmp_path / "docs", path)


def block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


FAULTS = {
    "too long a page": ("\n" * 443 + COMMAND, "a.md: 455 lines of source; at most 450"),
    "too long a block": (COMMAND + block("python", *["1"] * 41), "a.md: a block of 41 lines; at most 40"),
    "too wide a line of Python": (
        COMMAND + block("python", "#" * 89),
        "a.md: a line of code of 89 columns; at most 88",
    ),
    "too wide a command": (
        block("console", "$ " + "x" * 87, "ok"),
        "a.md: a line of code of 89 columns; at most 88",
    ),
    "too wide a line of a command that goes on": (
        block("console", "$ true \\", " " * 88 + "x", "ok"),
        "a.md: a line of code of 89 columns; at most 88",
    ),
    "too late a result": ("\n" * 59 + COMMAND, "a.md: 63 lines before the first result; at most 60"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(tmp_path: Path, name: str) -> None:
    body, expected = FAULTS[name]
    found = [fault.removeprefix("docs/") for fault in faults(planted(tmp_path, body))]
    assert expected in found
    assert len(found) == 1 or name == "too long a page"


def test_what_is_printed_may_be_wide(tmp_path: Path) -> None:
    printed = "x" * 100
    wide = planted(tmp_path, block("console", "$ true", printed) + block("output", printed))
    assert measure(wide).output == 100
    assert not list(faults(wide))


def test_prose_may_be_wide(tmp_path: Path) -> None:
    assert not list(faults(planted(tmp_path, "word " * 40 + "\n")))


def test_what_a_page_is_for_decides_its_limits(tmp_path: Path) -> None:
    body = "\n" * 460 + COMMAND
    assert len(list(faults(planted(tmp_path, body)))) == 2
    assert [fault.split(": ")[1] for fault in faults(planted(tmp_path, body, content_type="tutorial"))] == [
        "472 lines of source; at most 450"
    ]
    assert not list(faults(planted(tmp_path, body, content_type="explanation")))


def test_generated_pages_are_as_wide_as_what_they_list(tmp_path: Path) -> None:
    wide = block("console", "$ " + "x" * 100)
    assert len(list(faults(planted(tmp_path, wide)))) == 1
    assert not list(faults(planted(tmp_path, f"\n{GENERATED}\n\n{wide}")))
    assert list(faults(planted(tmp_path, wide, name="reference/index", content_type="reference")))


def test_a_page_is_measured_without_its_front_matter(tmp_path: Path) -> None:
    body = block("python", "print(12345)") + block("output", "12345")
    assert measure(planted(tmp_path, body)) == Measured(lines=14, block=1, code=12, output=5, before=6)


def test_the_table_ends_with_what_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path, COMMAND)
    planted(tmp_path, COMMAND + block("yaml", "x" * 89), name="b")
    monkeypatch.setattr(limits, "DOCS", tmp_path / "docs")
    assert limits.main(["a"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["a", "how-to", "12", "2", "6", "2", "4"]
    assert limits.main([]) == 1
    last, count = capsys.readouterr().out.splitlines()[-2:]
    assert (last.split(": ")[1], count) == ("a line of code of 89 columns; at most 88", "1 over the limits")


def test_every_page_is_within_its_limits() -> None:
    found = [fault for each in all_pages(DOCS) for fault in faults(each)]
    assert not found, "\n".join(["`python -m checks.limits` prints all pages:", *found])


def test_generated_pages_are_known_by_their_line() -> None:
    generated = {each.name for each in all_pages(DOCS) if is_generated(each.text)}
    assert {"reference/cli", "reference/configuration", "reference/resources-servers/mcqa"} < generated
    assert all(name.startswith("reference/") for name in generated)
