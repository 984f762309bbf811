"""What a page leaves: files for the pages after it, verdicts for the next run, and, with ``--update``, its outputs."""

from __future__ import annotations

import shutil
import textwrap

import pytest

from harness import cache, environments
from harness.pages import page_at
from harness.run import PageRun, Runner
from harness.verdict import Failure


def page(body: str, starts_from: str | None = None) -> str:
    """A page's text; its body starts on line 6 with a front matter, on line 3 without."""
    front = f"---\nstarts-from: {starts_from}\n---\n" if starts_from else ""
    return f"{front}# A page\n\n{textwrap.dedent(body)}"


def write(runner: Runner, name: str, text: str) -> None:
    path = page_at(runner.docs, name).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def follow(runner: Runner, name: str = "page") -> PageRun:
    """Follow a page that is there to its end; the run says whether its verdicts were known."""
    run = runner.start(page_at(runner.docs, name))
    try:
        run.judge_all()
    finally:
        run.close()
    return run


def another_run(runner: Runner, use_cache: bool = True) -> Runner:
    """A later run over the same pages."""
    return Runner(runner.docs, runner.host, runner.cache, use_cache)


def was_judged(runner: Runner, name: str = "page") -> bool:
    return follow(runner, name).known is None


@pytest.fixture
def runner(runner: Runner) -> Runner:
    """A runner that keeps what passed."""
    runner.use_cache = True
    return runner


# ----------------------------------------------------------------------------------------------- chains

FIRST = page("""\
    ```python
    import os

    os.makedirs("out", exist_ok=True)
    with open("out/rows.txt", "w") as rows:
        _ = rows.write("1 2 3")
    with open("runs.txt", "a") as runs:
        _ = runs.write("once ")
    ```
    """)
SECOND = page(
    """\
    ```python
    print(open("out/rows.txt").read())
    with open("out/rows.txt", "a") as rows:
        _ = rows.write(" 4")
    ```

    ```output
    1 2 3
    ```
    """,
    "first/page",
)
THIRD = page("```console\n$ cat out/rows.txt\n1 2 3 4\n```\n", "second")


def test_a_page_finds_the_files_of_the_pages_before_it(runner):
    for name, text in {"first/page": FIRST, "second": SECOND, "third": THIRD}.items():
        write(runner, name, text)
    follow(runner, "third")


def test_files_that_were_kept_are_used(runner):
    write(runner, "first/page", FIRST)
    write(runner, "second", SECOND)
    follow(runner, "second")
    (kept,) = runner.cache.directory.glob("*.files")
    (kept / "out/rows.txt").write_text("other", encoding="utf-8")
    write(runner, "second", SECOND.replace("1 2 3\n```", "other\n```"))
    follow(runner, "second")
    assert (kept / "out/rows.txt").read_text(encoding="utf-8") == "other"  # a page changes its own copy
    with pytest.raises(Failure, match=r"\+1 2 3"):
        follow(another_run(runner, use_cache=False), "second")


@pytest.mark.parametrize("order", [["first/page", "second", "third"], ["third", "second", "first/page"]])
def test_a_run_without_the_cache_follows_each_page_once(runner, monkeypatch, order):
    begun: list[str] = []
    begin = runner.host.begin
    monkeypatch.setattr(runner.host, "begin", lambda page, start: begun.append(page.name) or begin(page, start))
    for name, text in {"first/page": FIRST, "second": SECOND, "third": THIRD}.items():
        write(runner, name, text)
    for _ in range(2):
        later = another_run(runner, use_cache=False)
        for name in order:
            follow(later, name)
    assert sorted(begun) == sorted(order * 2), "once in each run"


def test_a_page_that_changed_during_a_run_without_the_cache_is_followed_again(runner):
    write(runner, "first/page", FIRST)
    write(runner, "second", SECOND)
    runner.use_cache = False
    follow(runner, "second")
    write(runner, "first/page", FIRST.replace("1 2 3", "3 2 1"))
    with pytest.raises(Failure, match=r"\+3 2 1"):
        follow(runner, "second")


def test_a_page_without_blocks_leaves_an_empty_folder(runner):
    write(runner, "first/page", page("Words.\n"))
    write(runner, "second", page("```console\n$ ls | wc -l\n0\n```\n", "first/page"))
    follow(runner, "second")


def test_a_page_that_starts_nothing_keeps_no_files(runner):
    write(runner, "first/page", FIRST)
    follow(runner, "first/page")
    assert not list(runner.cache.directory.glob("*.files"))


def test_a_page_that_others_come_to_start_from_is_followed_again_for_its_files(runner):
    write(runner, "first/page", FIRST)
    follow(runner, "first/page")
    write(runner, "second", SECOND)
    follow(another_run(runner), "second")


def test_a_changed_page_changes_the_key_of_those_after_it(runner):
    for name, text in {"first/page": FIRST, "second": SECOND, "third": THIRD}.items():
        write(runner, name, text)
    keys = {name: runner.cache.key(page_at(runner.docs, name)) for name in ("first/page", "second", "third")}
    write(runner, "first/page", FIRST + "\nMore words.\n")
    assert not any(runner.cache.key(page_at(runner.docs, name)) == key for name, key in keys.items())


def test_the_page_before_must_exist(runner):
    write(runner, "third", THIRD)
    with pytest.raises(Failure, match=r"`starts-from: second` in docs/third\.md: there is no such page") as failed:
        follow(runner, "third")
    assert failed.value.line == 1


def test_the_page_before_must_pass(runner):
    write(runner, "first/page", FIRST.replace("import os", "import oss"))
    write(runner, "second", SECOND)
    with pytest.raises(Failure, match=r"docs/first/page.md:4: .*(\n.*)+No module named 'oss'") as failed:
        follow(runner, "second")
    assert failed.value.line == 1
    assert not list(runner.cache.directory.glob("*.json"))


@pytest.mark.parametrize("chain", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_pages_that_go_in_a_circle_are_refused(runner, chain):
    for name, before in zip(chain, chain[1:] + chain[:1], strict=True):
        write(runner, name, page("```python\nx = 1\n```\n", before))
    with pytest.raises(Failure, match=" -> ".join([*chain, "a"])) as failed:
        follow(runner, "a")
    assert failed.value.line == 1


def test_a_page_that_leads_into_a_circle_is_refused(runner):
    write(runner, "loop", page("```python\nx = 1\n```\n", "loop"))
    write(runner, "outside", page("```python\nx = 1\n```\n", "loop"))
    with pytest.raises(Failure, match="circle"):
        follow(runner, "outside")


def test_a_broken_front_matter_is_the_fault_of_its_own_page_only(runner):
    write(runner, "broken", "---\nkeywords: [\n---\n\n# A page\n")
    write(runner, "list", "---\n- a\n---\n\n# A page\n")
    write(runner, "page", FIRST)
    follow(runner)


# ------------------------------------------------------------------------------------------------ cache

COUNTS = page("""\
    {download}`data.txt </downloads/data.txt>`

    ```python
    print(open("data.txt").read())
    ```

    ```output
    ...
    data
    ```
    """)


@pytest.fixture
def counted(runner: Runner) -> Runner:
    """A runner that has followed a page with a download, with success."""
    write(runner, "page", COUNTS)
    (runner.docs / "downloads").mkdir()
    (runner.docs / "downloads/data.txt").write_text("data", encoding="utf-8")
    assert was_judged(runner)
    return runner


def test_a_page_that_passed_is_not_run_again(counted):
    first, again = follow(counted), follow(counted)
    assert again.known is not None
    assert again.records == first.records
    assert [record["verdict"] for record in again.records] == ["executed", "executed"]
    assert again.date == first.date


def test_a_page_that_is_new_to_the_cache_is_run(counted):
    write(counted, "copy", COUNTS)
    assert was_judged(counted, "copy")


def test_a_change_of_its_text_runs_a_page_again(counted):
    write(counted, "page", COUNTS + "\nMore words.\n")
    assert was_judged(counted)
    assert not was_judged(counted)
    write(counted, "page", COUNTS)
    assert not was_judged(counted)  # back to what passed


def test_a_change_of_its_download_runs_a_page_again(counted):
    (counted.docs / "downloads/data.txt").write_text("more\ndata", encoding="utf-8")
    assert was_judged(counted)


JUDGES = (
    "harness/evaluators.py", "harness/live/servers.py", "harness/consumers/gym.py", "pinned/symbols.py",
    "locks/tests.txt", "docs/_data/nemo-rl-keys.json",
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "again"),
    [*((name, True) for name in JUDGES), ("pinned/drift.py", False), ("harness/verbatim.py", False)],
)
def test_a_change_of_what_judges_runs_a_page_again_and_of_nothing_else(counted, monkeypatch, tmp_path, path, again):
    for folder in ("harness", "pinned", "prose"):
        shutil.copytree(cache.ROOT / folder, tmp_path / "root" / folder)
    for file in ("locks/tests.txt", *cache.DECIDING):
        (tmp_path / "root" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(cache.ROOT / file, tmp_path / "root" / file)
    monkeypatch.setattr(cache, "ROOT", tmp_path / "root")
    monkeypatch.setattr(environments, "ROOT", tmp_path / "root")
    cache._surroundings.cache_clear()
    try:
        assert not was_judged(counted)  # a copy judges as the original does
        with (tmp_path / "root" / path).open("a", encoding="utf-8") as file:
            file.write("\n# as it is now\n")
        cache._surroundings.cache_clear()
        assert was_judged(counted) is again
    finally:
        monkeypatch.undo()
        cache._surroundings.cache_clear()


@pytest.mark.parametrize("other", ["another release of Python", "another machine"])
def test_another_python_and_another_machine_have_verdicts_of_their_own(counted, monkeypatch, other):
    if other == "another machine":
        monkeypatch.setattr(cache.platform, "machine", lambda: "abacus")
    else:
        monkeypatch.setattr(environments, "_versions", lambda *_: {"python": "3.13.99", "nemo-gym": "0.7.0"})
    cache._surroundings.cache_clear()
    try:
        assert was_judged(counted)
    finally:
        cache._surroundings.cache_clear()


def test_without_the_cache_every_page_is_run(counted):
    assert was_judged(another_run(counted, use_cache=False))


def test_a_broken_entry_of_the_cache_counts_for_nothing(counted):
    (entry,) = counted.cache.directory.glob("*.json")
    entry.write_text(entry.read_text(encoding="utf-8")[:20], encoding="utf-8")
    assert was_judged(counted)


def test_a_page_that_failed_is_never_kept(runner):
    write(runner, "page", page("```python\nx = 1\n```\n\n```python\ny\n```\n"))
    for _ in range(2):
        with pytest.raises(Failure, match="NameError"):
            follow(runner)
    assert not list(runner.cache.directory.glob("*"))


def test_a_page_of_which_only_some_blocks_were_judged_is_not_kept(runner):
    write(runner, "page", page("```python\nx = 1\n```\n\n```python\nx = 2\n```\n"))
    run = runner.start(page_at(runner.docs, "page"))
    run.judge(run.page.blocks[0])
    run.finish()
    run.close()
    assert was_judged(runner)


def test_what_is_saved_while_a_page_is_followed_has_not_passed(runner):
    write(runner, "page", page("```python\nx = 1\n```\n"))
    run = runner.start(page_at(runner.docs, "page"))
    run.judge(run.page.blocks[0])
    write(runner, "page", page("```python\nx\n```\n"))
    run.finish()
    run.close()
    with pytest.raises(Failure, match="NameError"):
        follow(runner)


# ----------------------------------------------------------------------------------------------- update

STALE = page("""\
    ```python
    print("one")
    print("two")
    ```

    ```output
    none
    ```

    1. A step:

       ```python
       print("three")
       ```

       ```{code-block} output
       :emphasize-lines: 1

         thre
       ```

    2. Another:

       - ```python
         print("four")
         ```

       Not touched: none, thre.

    > ```python
    > print("five")
    > ```

    ```console
    $ echo six; echo
    $ printf 'a\\n\\nb\\n'
    c
    $ echo seven > file.txt
    $ cat \\
        file.txt
    eight
    ```

    ```python
    print("```")
    ```
    """)
FRESH = page("""\
    ```python
    print("one")
    print("two")
    ```

    ```output
    one
    two
    ```

    1. A step:

       ```python
       print("three")
       ```

       ```{code-block} output
       :emphasize-lines: 1

       three
       ```

    2. Another:

       - ```python
         print("four")
         ```

         ```output
         four
         ```

       Not touched: none, thre.

    > ```python
    > print("five")
    > ```
    >
    > ```output
    > five
    > ```

    ```console
    $ echo six; echo
    six
    $ printf 'a\\n\\nb\\n'
    a

    b
    $ echo seven > file.txt
    $ cat \\
        file.txt
    seven
    ```

    ```python
    print("```")
    ```

    ````output
    ```
    ````
    """)


def update(runner: Runner, name: str = "page") -> PageRun:
    updating = Runner(runner.docs, runner.host, runner.cache, use_cache=False, update=True)
    run = updating.start(page_at(runner.docs, name))
    try:
        for block in run.page.blocks:
            run.judge(block).pass_on()
        run.rewrite()
        run.finish()
    finally:
        run.close()
    return run


def test_update_writes_what_was_printed_and_nothing_else(runner):
    write(runner, "page", STALE)
    update(runner)
    assert page_at(runner.docs, "page").text == FRESH
    follow(runner)


def test_update_leaves_a_page_that_says_what_is_printed_alone(runner):
    text = FRESH.replace("one\ntwo\n```\n", "one\n...\n```\n", 1)
    write(runner, "page", text)
    update(runner)
    assert page_at(runner.docs, "page").text == text


@pytest.mark.parametrize("odd", ["a\r\n", "\x0c\n", "\u2028\n", "no newline at the end"])
def test_update_keeps_odd_line_ends_elsewhere(runner, odd):
    text = "# A page\n\n" + odd.rstrip() + "\n\n```python\nprint(1)\n```\n\n```output\n2\n```\n\n" + odd
    path = page_at(runner.docs, "page").path
    path.write_bytes(text.encode())
    update(runner)
    assert path.read_bytes().decode() == text.replace("\n2\n", "\n1\n")


def test_update_takes_back_an_output_that_no_longer_comes(runner):
    write(runner, "page", page("```python\nx = 1\n```\n\n```output\n1\n2\n```\n"))
    update(runner)
    assert page_at(runner.docs, "page").text == page("```python\nx = 1\n```\n\n```output\n```\n")
    follow(runner)


def test_update_mends_no_other_failure(runner):
    text = page("```python\nprint(1)\nundefined\n```\n\n```output\n2\n```\n")
    write(runner, "page", text)
    with pytest.raises(Failure, match="NameError"):
        update(runner)
    assert page_at(runner.docs, "page").text == text


def test_an_output_under_a_block_that_prints_none_is_not_rewritten(runner):
    text = page("```python\nx = 1\n```\n\n```console\n$ true\n```\n\n```output\n2\n```\n")
    write(runner, "page", text)
    with pytest.raises(Failure, match="none that prints"):
        update(runner)


def test_a_page_that_was_rewritten_has_not_passed_yet(runner):
    write(runner, "page", STALE)
    update(runner)
    assert not list(runner.cache.directory.glob("*.json"))


def test_update_leaves_the_page_before_alone(runner):
    stale = FIRST + "\n```python\nprint(1)\n```\n"
    write(runner, "first/page", stale)
    write(runner, "second", SECOND)
    update(runner, "second")
    assert page_at(runner.docs, "first/page").text == stale


# --------------------------------------------------------------------------------------------- pictures

DRAWS = page("""\
    ```python
    with open("rewards.svg", "w") as picture:
        _ = picture.write("<svg/>")
    print("drawn")
    ```

    ```output
    drawn
    ```

    ![Rewards](pictures/rewards.svg)
    """)


def test_a_picture_that_the_page_no_longer_draws_fails_on_its_line(runner):
    write(runner, "page", DRAWS)
    (runner.docs / "pictures").mkdir()
    picture = runner.docs / "pictures/rewards.svg"
    picture.write_text("<svg>old</svg>", encoding="utf-8")
    with pytest.raises(Failure, match=r"the picture rewards\.svg on the page is not the one") as failed:
        follow(runner)
    assert failed.value.line == 13
    picture.write_text("<svg/>", encoding="utf-8")
    follow(runner)
    picture.write_text("<svg>old</svg>", encoding="utf-8")
    with pytest.raises(Failure, match=r"rewards\.svg"):
        follow(runner)  # the page is as it was, its picture is not


def test_a_picture_that_is_not_there_fails(runner):
    write(runner, "page", DRAWS)
    with pytest.raises(Failure, match=r"rewards\.svg"):
        follow(runner)


@pytest.mark.parametrize("text", [DRAWS, DRAWS.replace("drawn\n```\n\n!", "old\n```\n\n!")])
def test_update_copies_a_picture_to_the_site(runner, text):
    write(runner, "page", text)
    update(runner)
    assert (runner.docs / "pictures/rewards.svg").read_text(encoding="utf-8") == "<svg/>"
    follow(runner)
