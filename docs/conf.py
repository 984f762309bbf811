"""Sphinx's settings. ``nox -s docs`` builds with ``-W -n --keep-going``: a warning fails the build."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pygments.lexers.data import JsonLexer
from sphinx.highlighting import lexers

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]

from harness.blocks import MYST_EXTENSIONS  # noqa: E402  (needs the path above)
from pinned.symbols import pinned_version  # noqa: E402

# -- What this is ------------------------------------------------------------------------------------------------

project = "NeMo Gym Training Data Pipeline"
author = "the documentation's contributors"
release = pinned_version()  # of NeMo Gym: the site has no version of its own
language = "en"

# The one place from which the site learns its address. Unset, it claims none: no canonical links, no sitemap,
# no OpenGraph addresses.
site_url = os.environ.get("SITE_URL", "").strip()
if site_url:
    site_url = site_url.rstrip("/") + "/"
    html_baseurl = site_url

# The repository, for links to edit a page and to report its faults; and where pages may be counted (_ext/feedback.py).
# A build that is told of neither has neither.
repository_url = os.environ.get("REPOSITORY_URL", "").strip().rstrip("/")
analytics_url = os.environ.get("ANALYTICS_URL", "").strip()

# -- Reading -----------------------------------------------------------------------------------------------------

extensions = [
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "notfound.extension",
    "sphinx_llms_txt",
    "sphinxext.rediraffe",
    "sphinx.ext.githubpages",  # GitHub Pages leaves out _static without the .nojekyll that this writes
    # docs/_ext:
    "anyaddress",
    "assistants",
    "bench",
    "chains",
    "code_links",
    "copies",
    "diagrams",
    "excerpts",
    "exports",
    "formats",
    "frameworks",
    "feedback",
    "frontmatter",
    "guard",
    "ledger",
    "mathml",
    "measured",
    "pipeline",
    "redirects",
    "reference",
    "release_claims",
    "search",
    "snippets",
    "source",
    "terms",
    "tool_wheel",
]
if site_url:
    extensions += ["sphinxext.opengraph", "sphinx_sitemap"]

exclude_patterns = ["_build", "_data", "_ext", "_static", "_templates", "downloads"]

myst_enable_extensions = sorted(MYST_EXTENSIONS)
myst_heading_anchors = 3  # ``[text](page.md#heading)`` reaches h1 to h3

lexers["jsonl"] = JsonLexer()  # Pygments knows no such name; a row of JSON Lines is JSON

smartquotes = False  # help texts of NeMo Gym hold flags and values as they are typed: --model-type, "auto"

# -- Looks -------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = project
html_logo = "_static/logo.svg"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"}), ("search.js", {"defer": "defer"})]
html_show_sourcelink = False  # each page has a Markdown twin instead (exports)
html_show_sphinx = False
html_permalinks_icon = ""  # site.css draws it: it is no word of the heading
html_use_index = False  # no index entries: the search finds more
html_additional_pages = {"search": "search.html"}
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": project},
    "show_toc_level": 2,
    "navigation_with_keys": False,  # arrow keys belong to the reader
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "article_header_start": ["breadcrumbs"],
    "secondary_sidebar_items": ["page-toc"],
    "primary_sidebar_end": [],
    "article_footer_items": ["page-tools"],
    "footer_start": ["about-this-site"],
    "footer_end": [],
    # The theme renders a template once more to see that it is not empty. These never are.
    "templates_skip_empty_check": [
        f"{name}.html"
        for name in (
            "about-this-site",
            "navbar-logo",
            "navbar-nav",
            "page-tools",
            "search-button",
            "sidebar-collapse",
            "sidebar-nav-bs",
            "sidebar-reference",
            "theme-switcher",
        )
    ],
}
# Pages that are a section by themselves have nothing to navigate beside them.
html_sidebars = {folder: [] for folder in ("agents/*", "environments/*", "setup-deployment/*")}
html_sidebars["reference/**"] = ["sidebar-reference"]
html_context = {"default_mode": "auto"}
if repository_url:
    html_theme_options["icon_links"] = [
        {"name": "Repository", "url": repository_url, "icon": "fa-brands fa-github"},
    ]

# -- Extensions --------------------------------------------------------------------------------------------------

# Copying a console block takes its commands: not their prompts, nor what they print (_ext/copies.py).
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div:not(.highlight-output) > div.highlight > pre"

# 404.html is served for any address, so its links start at the site's root.
notfound_urls_prefix = urlsplit(site_url).path or "/"

llms_txt_file = False  # assistants writes it, in sections; sphinx_llms_txt only llms-full.txt
llms_txt_title = f"{project} (NeMo Gym {release})"
llms_txt_summary = (
    f"From rollouts to training data with NeMo Gym {release}: collect, verify, curate, format and hand over to a "
    "training framework. Each link is a page as Markdown."
)
llms_txt_uri_template = "{base_url}{docname}.md" if site_url else "{docname}.md"
llms_txt_exclude = ["404"]

ogp_site_url = site_url
ogp_social_cards = {"enable": False}

sitemap_url_scheme = "{link}"  # one language, one version
sitemap_excludes = ["404.html", "search.html", "_modules/*"]  # the last is the tool's source, not a page to find
