"""What is idle and what is work, and that alarm and sweep each suffice."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.lab import await_lab, log_in, shoot
from tests.scenarios.person import origin_of

pytestmark = pytest.mark.cloud


def test_the_sweep_alone_stops_an_idle_worker(cloud: LocalCloud) -> None:
    """No alarm is evaluated at all."""
    with cloud.faults("alarms-off"):
        cloud.person("dave", may_idle=True).start()
        cloud.await_state("dave", "stopped")
        assert cloud.stopped_by("dave") == {"sweep"}


def test_the_alarm_alone_stops_an_idle_worker(cloud: LocalCloud) -> None:
    """The sweep's rule is disabled."""
    with cloud.faults("sweep-off"):
        cloud.person("erin", may_idle=True).start()
        cloud.await_state("erin", "stopped")
        assert cloud.stopped_by("erin") == {"alarm"}


def test_silent_work_is_kept_until_its_allowance_and_an_open_tab_is_not_work(
    cloud: LocalCloud, page: Page, screenshots: Path
) -> None:
    """A silent cell and a terminal job outlast an open tab; after busy_allowance they are stopped too."""
    cell, terminal = (cloud.person(name, may_idle=True) for name in ("silent-cell", "terminal-job"))
    for person in (cell, terminal):
        person.request_start()
    for person in (cell, terminal):
        person.await_ready()
    cell.run_cell(cell.open_kernel(), "import time; time.sleep(3600)", wait=False)
    terminal.run_in_terminal("sleep 3600")
    log_in(page, cloud, "open-tab")
    await_lab(page, screenshots, "1-progress.png")
    shoot(page, screenshots / "2-open-and-unused.png")

    cloud.await_state("open-tab", "stopped")
    shoot(page, screenshots / "3-the-tab-after-the-stop.png")
    assert page.url.startswith(f"{origin_of('open-tab', cloud.url)}/user/open-tab/lab"), (
        "the tab was open and visible all the time"
    )
    for busy in ("silent-cell", "terminal-job"):
        assert cloud.worker(busy)["state"] == "running", "work counts, with the browser closed"

    for busy in ("silent-cell", "terminal-job"):
        cloud.set_policy(f"user/{busy}", busy_allowance=60)
    for busy in ("silent-cell", "terminal-job"):
        stopped = cloud.await_state(busy, "stopped")
        assert stopped["stop_reason"] == "busy-too-long"
