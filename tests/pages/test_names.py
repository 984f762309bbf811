"""The data that prose is looked up in are what the installed release and programs give."""

from __future__ import annotations

from pinned import names, programs


def test_the_names_are_those_of_the_install(capsys) -> None:
    assert names.main(["--check"]) == 0, capsys.readouterr().err


def test_the_programs_are_those_that_are_locked(capsys) -> None:
    assert programs.main(["--check"]) == 0, capsys.readouterr().err


def test_another_version_of_a_program_is_seen() -> None:
    found = {"pytest": {"package": "pytest", "version": "1.0"}, "none": {"package": "no-such-package", "version": "1"}}
    (fault,) = programs.out_of_date(found)
    assert fault.startswith("pytest: the names are of 1.0")
