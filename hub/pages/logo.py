"""The institution's logo."""

from jupyterhub.handlers.base import BaseHandler

from hub.config.brand import Logo

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Also where a browser opens the picture as a page of its own, nothing in it runs, and nothing is loaded."""


class LogoPage(BaseHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Serves the logo, to browsers without a login too."""

    def initialize(self, logo: Logo) -> None:
        """`logo` was checked when the hub started."""
        self.logo = logo

    def set_default_headers(self) -> None:
        """Replaces JupyterHub's own, which are for pages."""
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")

    def prepare(self) -> None:
        """Needs no user."""

    def head(self) -> None:
        """As for GET, without the picture."""
        self.get()

    def get(self) -> None:
        """Answers with the picture; 304 while the browser has it."""
        self.set_header("Content-Type", self.logo.kind)
        self.set_header("Cache-Control", "no-cache")
        self.finish(self.logo.content)
