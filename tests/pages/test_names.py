"""The names that prose is looked up in are what the locked programs give; for the install, see test_reference."""

from __future__ import annotations

from pinned import programs


def test_the_programs_are_those_that_are_locked(capsys) -> None:
    assert programs.main(["--check"]) == 0, capsys.readouterr().err


def test_another_version_of_a_program_is_seen() -> None:
    found = {"pytest": {"package": "pytest", "version": "1.0"}, "none": {"package": "no-such-package", "version": "1"}}
    fault, missing = programs.out_of_date(found)
    assert fault.startswith("pytest: the names are of 1.0")
    assert missing.startswith("none: ")


def test_the_words_of_a_program_are_its_names_and_keys(tmp_path) -> None:
    source = tmp_path / "made.py"
    source.write_text(
        'class Settings:\n    max_steps: int = 1\n\n    def run(self, rows):\n        "No key."\n'
        '        self.seen = call(logged={"rewards/margins": 1, "two words": 2})\n',
        encoding="utf-8",
    )
    assert programs.words([source]) == {
        "Settings",
        "max_steps",
        "run",
        "self",
        "rows",
        "seen",
        "logged",
        "rewards/margins",
    }
