"""Opening the hub in the browser of whoever started a local cloud: only where there is a screen, and a person."""

import contextlib
import webbrowser
from collections.abc import Mapping

from bootstrap.cli.terminal import echo


def may_open(environment: Mapping[str, str]) -> bool:
    """Is there a screen, and not a build server? CI is set by those: GitHub's, GitLab's and others. Pure."""
    has_screen = bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    return has_screen and not environment.get("CI")


def show(url: str) -> None:
    """Open the URL in a browser with windows, if there is one; a browser in the terminal would take the terminal."""
    with contextlib.suppress(webbrowser.Error):
        found = webbrowser.get()
        if type(found) is not webbrowser.GenericBrowser and found.open(url):
            echo("opened in your browser; --no-browser prevents that", dim=True)
