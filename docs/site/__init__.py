"""The documentation as a site: `make docs` builds it of the pages in `docs/` and of pages that it makes of the code.

Belongs here: the builder, Sphinx's configuration, the navigation. Texts belong into `docs/`.
"""
