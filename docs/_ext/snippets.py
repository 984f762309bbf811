"""The site's ``code-block``: what the reader sees of a snippet's file name, its terminal, and why it is not run.

The same options tell the test harness (`harness.evaluators`) what to do with the block:

``file``      the reader saves the block under this name; so does the harness
``part-of``   the block is a fragment of that file
``consumer``  the program, or the kind of row, that reads it (`harness.consumers`)
``terminal``  the command stays running in a terminal of its own, of this name
``ends``      that command does its work and ends with success by itself
``fails``     the exception that Python raises, or the exit status of the last command
``when``      for which readers it is, such as ``python<3.13.14``
``quiet``     what the block prints that the page need not show, and why
``shown``     why the block is neither run nor validated
"""

from __future__ import annotations

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import CodeBlock
from sphinx.util.typing import OptionSpec

from harness.blocks import as_written

#: The options whose reason stands under the block, and the words before it.
NOTES = {"quiet": "Printed, not shown", "shown": "Shown, not run"}


class Snippet(CodeBlock):
    """``code-block`` with the options above."""

    required_arguments = 1  # a block without a language could not be judged
    option_spec: ClassVar[OptionSpec] = {
        **CodeBlock.option_spec,
        "file": directives.unchanged_required,
        "part-of": directives.unchanged_required,
        "consumer": directives.unchanged_required,
        "terminal": directives.unchanged_required,
        "ends": directives.flag,
        "fails": directives.unchanged_required,
        "when": directives.unchanged_required,
        "quiet": directives.unchanged_required,
        "shown": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        caption = self._caption()
        if caption:
            self.options["caption"] = caption
        result = super().run()
        for node in (each for top in result for each in top.findall(nodes.literal_block)):
            # docutils has cut a line where neither Markdown nor the reader's shell does.
            body = self.block_text.partition("\n")[2].rstrip("\n").rpartition("\n")[0]  # between its fences
            text = as_written(self.content, body)
            node.rawsource, node[:] = text, [nodes.Text(text)]
            node["consumer"] = self.options.get("consumer", "")
        for option, what in NOTES.items():
            if reason := self.options.get(option):
                note = nodes.paragraph(classes=["snippet-reason"])
                note += nodes.Text(f"{what}: {reason}")
                result.append(note)
        return result

    def _caption(self) -> str | None:
        if "file" in self.options:
            return self.options["file"]
        if "part-of" in self.options:
            return f"in {self.options['part-of']}"
        if "terminal" in self.options:
            what = "it ends by itself" if "ends" in self.options else "leave it running"
            return f"{self.options['terminal']} ({what})"
        return self.options.get("caption")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("code-block", Snippet, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
