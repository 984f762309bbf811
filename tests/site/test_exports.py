"""Each page's Markdown twin, notebook and script."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.site.conftest import FRONT_MATTER, Build, page

BODY = """
See [the other page](b.md), {download}`a file
</files/data.jsonl>`, ![a picture](files/picture.svg) and {source}`nemo_gym.server_utils.ServerClient`.

(a-target)=
## Steps

```python
total = 0


def nothing(): ...
```

:::::{note}
Words in a note.

```python
total += 1
```
:::::

```{code-block} yaml
:file: configs/run.yaml
:consumer: gym

path: "a\\\\b"
limit: 3
```

```{code-block} python
:fails: ValueError

raise ValueError
```

```{code-block} python
:shown: it needs eight GPUs

train()
```

```console
$ gym list
math
```

```python
from pathlib import Path

print(total, Path("configs/run.yaml").read_text())
```

```output
1 path: "a\\\\b"
limit: 3
```

```{mermaid}
:alt: a leads to b

flowchart LR
  a --> b
```
"""


def test_the_twin_names_the_page_that_it_starts_from(build: Build) -> None:
    starts = FRONT_MATTER.replace("keywords", "starts-from: a\nkeywords")
    site = build({"a": page("\nWords.\n"), "more/b": page("\nWords only.\n", front_matter=starts)})
    assert "\n>\n> Starts from the files of [A page](../a.md): follow that page first.\n" in site.read("more/b.md")
    assert "Starts from" not in site.read("a.md")


def test_exports_of_a_page(build: Build, tmp_path: Path) -> None:
    files = tmp_path / "docs" / "files"
    files.mkdir(parents=True)
    (files / "data.jsonl").write_text("{}\n", encoding="utf-8")
    (files / "picture.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>\n', encoding="utf-8")
    site = build({"a": page(BODY), "b": page("\nWords only.\n")})
    assert site.warnings == ""
    twin = site.read("a.md")
    assert twin.startswith("# A page\n\n> **How-to** Do one thing.\n>\n> For NeMo Gym ")
    for gone in (":::", "{note}", "{code-block}", "{mermaid}", "{source}", "(a-target)=", ":file:", "content-type"):
        assert gone not in twin
    for kept in (
        "```python\ntotal = 0\n\n\ndef nothing(): ...\n```",
        "[the other page](b.md)",
        "**Note**\n\nWords in a note.\n\n```python\ntotal += 1\n```",
        '`configs/run.yaml`:\n\n```yaml\npath: "a\\\\b"\nlimit: 3\n```',
        "Shown, not run: it needs eight GPUs\n\n```python\ntrain()\n```",
        "```text\n1 path",
        "a leads to b\n\n```mermaid\nflowchart LR",
    ):
        assert kept in twin, twin

    linked = re.findall(r"\[a (?:file|picture)\]\(([^)]+)\)", twin)
    assert [Path(name).name for name in linked] == ["data.jsonl", "picture.svg"]
    assert all((site.html / name).is_file() for name in linked)

    book = json.loads(site.read("a.ipynb"))
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [text.splitlines()[0] for text in code[:2]] == ["total = 0", "total += 1"]
    assert len(code) == 4
    assert "raise ValueError" not in "".join(code)

    script = tmp_path / "run" / "a.py"
    script.parent.mkdir()
    script.write_text(site.read("a.py"), encoding="utf-8")
    ast.parse(site.read("a.py"))
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, script.name], cwd=script.parent, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == '1 path: "a\\\\b"\nlimit: 3\n\n'

    html = site.read("a.html")
    for name in ("a.md", "a.ipynb", "a.py"):
        assert f'href="{name}" download' in html
    assert 'href="b.ipynb"' not in site.read("b.html")  # nothing to run on it
    assert not (site.html / "b.py").exists()


def test_llms_txt_leads_to_the_twins(build: Build) -> None:
    site = build({"guides/a": page("\nWords.\n", "A guide")})
    assert "[A guide](guides/a.md)" in site.read("llms.txt")
    assert (site.html / "guides" / "a.md").is_file()


def test_braces_in_code_are_no_roles(build: Build) -> None:
    twin = build(
        {"a": page("\nThe placeholders `{problem}` / `{answer}` and\n`{last}` alone.\n\n(x)=\n\n## More\n")}
    ).read("a.md")
    assert "The placeholders `{problem}` / `{answer}` and\n`{last}` alone.\n\n## More" in twin


def test_braces_in_inline_code_are_no_role(build: Build) -> None:
    site = build({"a": page("\nThe answer is `\\boxed{3}`\n\n(below)=\n\n## Below\n\nAnd `\\text{b}`, then `x`.\n")})
    twin = site.read("a.md")
    assert "`\\boxed{3}`" in twin
    assert "`\\text{b}`, then `x`" in twin
    assert "(below)=" not in twin
