"""One local cloud for all scenarios, with an idle timeout of seconds, and one browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.scenarios import chromium
from tests.scenarios.cloud import REPOSITORY, LocalCloud
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

IDLE_TIMEOUT = "40s"
# Long enough for a user to come back while the machine stops.
STOP_TIME = "3s"
expect.set_options(timeout=PATIENCE * 1000)
ARTEFACTS = REPOSITORY / "build" / "screenshots"


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    options = ("--idle-timeout", IDLE_TIMEOUT, "--stop-time", STOP_TIME)
    running = LocalCloud(tmp_path_factory.mktemp("cloud"), free_port(), *options)
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="module")
def cloud(running_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The session's local cloud; when a module's tests are over, its users' machines may be stopped as idle."""
    yield running_cloud
    running_cloud.release()


# Not for the session: Playwright leaves an event loop running in this thread until it ends, and no other test of this
# process could run a loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE * 1000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def screenshots(request: pytest.FixtureRequest) -> Path:
    """Where this test keeps what the browser showed."""
    folder = ARTEFACTS / str(request.node.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
