"""A fragment of a file is checked alone, and merged into the file."""

from __future__ import annotations

import pytest

from tests.harness.conftest import line_of

PAGE = """# A page

```{code-block} yaml
:file: run.yaml
:consumer: gym eval run

num_repeats: 2
responses_create_params:
  temperature: 0.5
```

```{code-block} yaml
:part-of: run.yaml

responses_create_params:
  max_output_tokens: 100
```

```python
import yaml

assert "num_repeats" in yaml.safe_load(open("run.yaml"))
```
"""


def clash(consumer: str, text: str, directory: object) -> list[tuple[int, str]]:
    """A consumer that takes each of two settings, and not both."""
    both = "temperature" in text and "max_output_tokens" in text
    return [(3, f"{consumer}: these two clash")] if both else []


def test_what_only_the_merged_file_shows_is_named_on_the_fragment(judge, host, monkeypatch):
    monkeypatch.setattr(host, "consumer_problems", clash)
    failure = judge(PAGE)
    assert failure is not None
    assert "merged into run.yaml: gym eval run: these two clash" in failure.message
    assert failure.line == line_of(PAGE, "responses_create_params:\n  max")


@pytest.mark.parametrize("consumer_sees", ["the fragment", "the merged file"])
def test_both_are_given_to_the_consumer(judge, host, monkeypatch, consumer_sees):
    seen = []
    monkeypatch.setattr(host, "consumer_problems", lambda consumer, text, directory: seen.append(text) or [])
    assert judge(PAGE) is None
    fragment, merged = seen[1], seen[2]
    if consumer_sees == "the fragment":
        assert "num_repeats" not in fragment
    else:
        assert all(name in merged for name in ("num_repeats: 2", "temperature: 0.5", "max_output_tokens: 100"))
