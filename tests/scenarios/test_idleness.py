"""What is idle and what is work, and that alarm and sweep each suffice."""

import pytest

from tests.scenarios.cloud import LocalCloud

pytestmark = pytest.mark.cloud


def test_the_sweep_alone_stops_an_idle_worker(cloud: LocalCloud) -> None:
    """No alarm is evaluated at all."""
    cloud.fault("alarms-off", on=True)
    try:
        cloud.person("dave").start()
        cloud.await_state("dave", "stopped")
        assert cloud.stopped_by("dave") == {"sweep"}
    finally:
        cloud.fault("alarms-off", on=False)


def test_the_alarm_alone_stops_an_idle_worker(cloud: LocalCloud) -> None:
    """The sweep's rule is disabled."""
    cloud.fault("sweep-off", on=True)
    try:
        cloud.person("erin").start()
        cloud.await_state("erin", "stopped")
        assert cloud.stopped_by("erin") == {"alarm"}
    finally:
        cloud.fault("sweep-off", on=False)


def test_silent_work_is_kept_until_its_allowance_and_an_open_tab_is_not_work(cloud: LocalCloud) -> None:
    """A silent cell and a terminal job outlast an open tab; after busy_allowance they are stopped too."""
    cell, terminal, tab = (cloud.person(name) for name in ("silent-cell", "terminal-job", "open-tab"))
    for person in (cell, terminal, tab):
        person.request_start()
    for person in (cell, terminal, tab):
        person.await_ready()
    cell.run_cell(cell.open_kernel(), "import time; time.sleep(3600)", wait=False)
    terminal.run_in_terminal("sleep 3600")
    held = tab.hold_tab_open(tab.open_kernel())

    cloud.await_state("open-tab", "stopped")
    held.close()
    for busy in ("silent-cell", "terminal-job"):
        assert cloud.worker(busy)["state"] == "running", "work counts, with the browser closed"

    for busy in ("silent-cell", "terminal-job"):
        cloud.set_policy(f"user/{busy}", busy_allowance=60)
    for busy in ("silent-cell", "terminal-job"):
        stopped = cloud.await_state(busy, "stopped")
        assert stopped["stop_reason"] == "busy-too-long"
