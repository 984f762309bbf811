import pytest

from harness.live import Zygote
from tests.live.support import example, practice_model, write_script


@pytest.fixture(scope="session")
def gym():
    with Zygote() as zygote:
        yield zygote


@pytest.fixture(scope="session")
def mcqa_model(tmp_path_factory):
    """A practice model that knows the example rows of mcqa."""
    script = write_script(tmp_path_factory.mktemp("model") / "answers.jsonl", example("mcqa"))
    with practice_model("--script", script) as address:
        yield address
