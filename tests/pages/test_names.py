"""The names that prose is looked up in are what the locked programs give; for the install, see test_reference."""

from __future__ import annotations

from pinned import programs, tool_reference


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


def test_the_page_of_the_tool_is_what_its_sources_give(capsys) -> None:
    assert tool_reference.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_of_the_tool_that_lacks_an_option_is_seen(monkeypatch, tmp_path, capsys) -> None:
    page = tmp_path / "gym-rollouts.md"
    page.write_text(tool_reference.page().replace("`--sft`", "`--stf`"), encoding="utf-8")
    monkeypatch.setattr(tool_reference, "ROOT", tmp_path)
    monkeypatch.setattr(tool_reference, "PAGE", page)
    assert tool_reference.main(["--check"]) == 1
    assert "gym-rollouts.md is not what the sources" in capsys.readouterr().err


def test_an_option_has_its_value_default_and_off_switch() -> None:
    lines = tool_reference.page().splitlines()
    assert "| [`rollouts`]{#gym-rollouts-prepare-rollouts} | path, one or more | required |" in "\n".join(lines)
    options = {line.split("`")[1]: line for line in lines if "{#gym-rollouts-check-" in line}
    assert " | `auto`, `tasks`, `inputs`," in options["--kind"]
    assert options["--no-nemo-gym"].startswith(
        "| [`--no-nemo-gym`]{#gym-rollouts-check-no-nemo-gym}, `--nemo-gym` | none | |"
    )
