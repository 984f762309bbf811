"""Expected output: what matches, what does not, and what a page may not say."""

from __future__ import annotations

import pytest

from harness.expected import could_still_match, matches, normalize, says_nothing

MATCHING = [
    ("a", "a\n"),
    ("a\n...\nd", "a\nb\nc\nd"),
    ("a\n...\nd", "a\nd"),
    ("...\nd", "a\nd"),
    ("a\n...", "a\nb\nc"),
    ("took ... s", "took 1.23 s"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("done", "10%\r50%\rdone"),
    ("a  ", "a"),
    ("a", "\n\na\n\n"),
]
DIFFERENT = [
    ("a", "b"),
    ("a", "a\nb"),
    ("a\nb", "a"),
    ("a\n...\nd", "a\nb\nc"),
    ("took ... s", "took 1.23 s\nmore"),
    ("took ... s", "took 1\n2 s"),
    ("1 + 1", "1 + 11"),
    ("a.b", "axb"),
    ("", "printed"),
]


@pytest.mark.parametrize(("want", "got"), MATCHING)
def test_matches(want, got):
    assert matches(want, got)


@pytest.mark.parametrize(("want", "got"), DIFFERENT)
def test_does_not_match(want, got):
    assert not matches(want, got)


@pytest.mark.parametrize("want", ["...", "...\n...", " ... \n\n", "... ..."])
def test_dots_alone_say_nothing(want):
    assert says_nothing(want)


@pytest.mark.parametrize("want", ["a...", "...\nb", "", "1..."])
def test_anything_else_says_something(want):
    assert not says_nothing(want)


def test_a_server_is_ready_when_it_has_printed_what_the_page_shows():
    want = "Starting\n...\nReady at http://127.0.0.1:8000/v1"
    assert not could_still_match(want, "Starting\nloading\n")
    assert could_still_match(want, "Starting\nloading\nReady at http://127.0.0.1:8000/v1\nGET /\n")


def test_progress_bars_leave_their_last_state():
    assert normalize("a\r\nCollecting:  0%\rCollecting: 100%\n") == "a\nCollecting: 100%"
