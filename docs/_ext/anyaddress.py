"""Have the links of 404.html start at the site's root: it is served for any address, however deep.

sphinx-notfound-page does so for the theme's links and for images, but not for links in the text of one's own page.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from docutils import nodes
from sphinx.application import Sphinx


def start_at_root(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if docname != app.config.notfound_pagename or app.builder.format != "html":
        return
    page = urljoin(app.config.notfound_urls_prefix, app.builder.get_target_uri(docname))
    for link in doctree.findall(nodes.reference):
        address = link.get("refuri", "")
        if address and not urlsplit(address).scheme:
            link["refuri"] = urljoin(page, address)


def setup(app: Sphinx) -> dict[str, object]:
    # Late: by then every link in the text has been resolved.
    app.connect("doctree-resolved", start_at_root, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
