"""`gym env test` runs a reader's tests in this environment, and sees nothing of this project's; prompts are checked."""

import pytest

from tests.live.support import Page


@pytest.fixture
def page(gym, tmp_path):
    page = Page(tmp_path, gym)
    page.run("gym env init --resources-server own")
    return page


def test_the_scaffold_passes_its_own_tests_without_an_environment_of_its_own(page):
    printed = page.run("gym env test --resources-server own").stdout
    assert "1 passed" in printed
    assert not (page.directory / "resources_servers/own/.venv").exists()


def test_a_test_that_fails_fails_the_command(page):
    page.write("resources_servers/own/tests/test_app.py", "def test_it():\n    assert 'this' == 'that'\n")
    result = page.run("gym env test --resources-server own", check=False)
    assert result.returncode == 1
    assert "assert 'this' == 'that'" in result.stdout


def test_settings_above_the_page_are_not_the_readers(page):
    page.write("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["--no-such-option"]\n')
    page.write("conftest.py", "raise RuntimeError('a conftest.py above the server')\n")
    assert "1 passed" in page.run("gym env test --resources-server own").stdout


def test_a_server_that_does_not_say_what_it_needs_is_refused(page):
    (page.directory / "resources_servers/own/requirements.txt").unlink()
    result = page.run("gym env test --resources-server own", check=False)
    assert "Missing pyproject.toml or requirements.txt for uv venv setup in server dir" in result.stderr


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("user: What is {a}?\nsytem: Think.\n", 2, "did you mean 'system'"),
        ("system: Think.\n", 1, "Field required"),
        ("user: [What, is]\n", 1, "valid string"),
    ],
)
def test_a_prompt_config_is_what_its_class_reads(text, line, message, gym):
    ((found_line, found),) = gym.call("harness.consumers:problems", "prompt config", text)
    assert found_line == line
    assert message in found
