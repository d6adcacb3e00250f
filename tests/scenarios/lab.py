"""The hub's pages and JupyterLab as a person in a browser uses them."""

import re
from pathlib import Path

from playwright.sync_api import Error, Page, expect

from tests.scenarios.cloud import LocalCloud


def shoot(page: Page, path: Path, tries: int = 5) -> None:
    """Keep what the browser shows. Chromium cannot tell while it changes pages; then the next one is kept."""
    try:
        page.screenshot(path=path)
    except Error:
        if tries == 1:
            raise
        page.wait_for_load_state()
        shoot(page, path, tries - 1)


def log_in(page: Page, cloud: LocalCloud, name: str, *, admin: bool = False) -> None:
    page.goto(f"{cloud.url}/hub/login")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(cloud.password(admin=admin))
    page.get_by_role("button", name="Sign in").click()


def await_lab(page: Page, screenshots: Path, name: str = "2-progress.png") -> None:
    """Press Start where the page offers it, watch the progress, return in JupyterLab."""
    page.wait_for_url(re.compile(r"/hub/spawn"))
    if "spawn-pending" not in page.url:
        page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress-message, .progress-bar").first).to_be_visible()
    shoot(page, screenshots / name)
    page.wait_for_url("**/user/*/lab**")
    expect(page.locator("#jp-main-dock-panel")).to_be_visible()
