"""Sphinx's configuration: https://www.sphinx-doc.org/en/master/usage/configuration.html"""

import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

project = "cloudJHub"
author = "cloudJHub's authors"
release = version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md"]

# GitHub's anchors, which links in the pages name: `[roles](security.md#division-of-power)`.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

html_theme = "pydata_sphinx_theme"
html_title = "cloudJHub"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_copy_source = False
copyright = "BSD 3-Clause"
suppress_warnings = [
    "myst.xref_ambiguous",
    "misc.highlighting_failure",  # samples of outputs, and of syntaxes that Pygments has no lexer for
]
