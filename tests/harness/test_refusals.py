"""What NeMo Gym would ignore, and what failed in the middle, whatever the page does with the exit status."""

from __future__ import annotations

import pytest

from tests.harness.conftest import line_of

PAGE = "# A page\n\nWords.\n\n"
REFUSED = "gym eval run --no-serve +num_repeat=4"


def block(language: str, *lines: str, options: str = "") -> str:
    return f"```{{code-block}} {language}\n{options}\n" + "\n".join(lines) + "\n```\n"


#: The refusal, where a page's own shell or program swallows it.
SWALLOWED = {
    "a pipe to tee": block("console", f"$ {REFUSED} 2>&1 | tee run.log"),
    "a pipe to head": block("console", f"$ {REFUSED} 2>&1 | head -2"),
    "a pipe to tail, its output updated": block(
        "console",
        f"$ {REFUSED} 2>&1 | tail -1",
        "harness: NeMo Gym would have ignored this in silence; mend the key or leave it out.",
    ),
    "a command after it": block("console", f"$ {REFUSED}; true"),
    "or true": block("console", f"$ {REFUSED} || true"),
    "an if": block("console", f"$ if {REFUSED}; then echo yes; fi"),
    "a command substitution": block("console", f"$ echo $({REFUSED} 2>&1) > run.log"),
    "the background, waited for": block("console", f"$ {REFUSED} & wait"),
    "its output in a file": block("console", f"$ {REFUSED} > run.log 2>&1 || echo done", "done"),
    "an inner line of a bash block": block("bash", "set +e", REFUSED + " 2>/dev/null", "true"),
    "its own exit status as :fails:": block("console", f"$ {REFUSED}", options=":fails: 97\n"),
    "Python that does not look": block(
        "python",
        "import subprocess",
        "",
        f"subprocess.run({REFUSED.split()}, capture_output=True)",
    ),
}


@pytest.mark.parametrize("page", SWALLOWED.values(), ids=SWALLOWED.keys())
def test_a_refusal_is_seen(judge, page):
    text = PAGE + page
    failure = judge(text)
    assert failure is not None, "the page passed"
    assert "num_repeat" in failure.message
    assert "gym eval run --no-serve +num_repeat=4" in failure.message
    assert failure.line == line_of(text, "num_repeat")


def test_a_refusal_in_the_background_names_its_own_line(judge):
    text = PAGE + block("console", f"$ {REFUSED} 2>/dev/null &") + "\n" + block("console", "$ wait; sleep 3")
    failure = judge(text)
    assert failure is not None
    assert failure.line == line_of(text, "num_repeat")


def test_a_refusal_that_comes_after_the_last_block_is_seen(judge):
    text = PAGE + block("console", f"$ {REFUSED} 2>/dev/null &")
    failure = judge(text)
    assert failure is not None
    assert "num_repeat" in failure.message


#: A part that fails and is hidden: the block, and the text on the line at fault.
HIDDEN = {
    "in a pipeline that goes on": (block("console", "$ ls no-such-file 2>&1 | cat > list.txt"), "ls no-such"),
    "in a pipeline to head": (block("console", "$ gym lists agents 2>&1 | head -3 > list.txt"), "gym lists"),
    "before a semicolon": (block("console", "$ ls no-such-file > list.txt 2>&1; true"), "ls no-such"),
    "on an inner line of a bash block": (block("bash", "echo a > a.txt", "false", "echo b > b.txt"), "false"),
    "in a loop": (block("bash", "for n in 1 2; do", "  ls no-such-file 2>/dev/null", "done; true"), "ls no-such"),
}


@pytest.mark.parametrize(("page", "at"), HIDDEN.values(), ids=HIDDEN.keys())
def test_a_hidden_failure_is_seen(judge, page, at):
    text = PAGE + page
    failure = judge(text)
    assert failure is not None, "the page passed"
    assert "exited with" in failure.message
    assert failure.line == line_of(text, at)


#: What looks like one and is none, since the page says so or nobody sees it.
RIGHT = {
    "a reader that stops early": block("console", "$ yes | head -1", "y"),
    "a test in an if": block("console", "$ if ls no-such-file 2>/dev/null; then echo yes; else echo no; fi", "no"),
    "what stands before or": block("console", "$ ls no-such-file 2>/dev/null || echo none", "none"),
    "a pipeline that is said to fail": block("console", "$ ls no-such-file 2>/dev/null | cat", options=":fails: 2\n"),
    "a wait for something": block("bash", "until [ -f ready ]; do touch ready; done"),
    "the last line of a bash block, as said": block("bash", "true", "exit_with() { return 3; }", "exit_with",
                                                    options=":fails: 3\n"),
}  # fmt: skip


@pytest.mark.parametrize("page", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_page_passes(judge, page):
    failure = judge(PAGE + page)
    assert failure is None, failure.message
